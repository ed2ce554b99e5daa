"""The commands that a trial is made of, their options by name, and how these are checked before anything runs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypedDict, get_type_hints

from pydantic import Field, TypeAdapter, ValidationError

from ftso_cli.api import settings as searches
from ftso_cli.api.searches import Tracked
from ftso_cli.errors import SettingsError, SpaceError, unknown
from ftso_cli.genotype.storage import describe
from ftso_cli.settings.capacity import CapacitySettings
from ftso_cli.settings.recipes import Recipe
from ftso_cli.settings.searches import JointSettings, RaceSettings, TopologySettings
from ftso_cli.settings.training import Request
from ftso_cli.spaces import OPERATORS, SPACES, operator
from ftso_cli.spaces.nats import DATA_SETS

Options = Mapping[str, Any]

COMMON = ("data", "image_size", "device", "seed")
"""What stages have from the study, where they don't have their own."""

TRACKED = ("track", "early_stop")
RECORDED = (*TRACKED, "every")
KEPT = ("save_every", "tensorboard")
"""What a long stage keeps on its way; decides nothing of its result."""

RETIRED = ("trust_pickle",)
"""Options that a study file may not give any more: kept studies that have them are read, and do without."""

UNDECIDING = ("device", "workers", *KEPT)
"""Options that leave the result of a stage as it is: with others, its work is the same."""

OF_SEARCHES = (
    "iters",
    "epochs",
    "channels",
    "cells",
    "batch_size",
    "weight_rate",
    "arch_rate",
    "warmup",
    "weight_share",
    "arch_share",
    "recipe",
    *RECORDED,
    *KEPT,
)
OF_TRAINING = (
    "recipe",
    "epochs",
    "channels",
    "cells",
    "stem",
    "batch_size",
    "rate",
    "schedule",
    "warmup",
    "momentum",
    "weight_decay",
    "clip",
    "label_smoothing",
    "drop_path",
    "cutout",
    "auxiliary",
    "augmentation",
    "precision",
    "compile",
    "flip",
    *KEPT,
)


class _Types(TypedDict, total=False):
    """The types of options that no class of settings has."""

    preset: str
    space: str
    method: str
    strategy: str
    recipe: str
    rank: str
    op: str | tuple[str, ...]
    ops: str | tuple[str, ...]
    map: str | tuple[str, ...]
    seeds: str | int | tuple[int, ...]
    budget: str | int
    workers: Annotated[int, Field(ge=1)]
    track: Tracked
    early_stop: Tracked
    every: Annotated[int, Field(ge=1)]
    save_every: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    tensorboard: bool
    keep: Annotated[int, Field(ge=1)]
    at: Annotated[int, Field(ge=0)]
    table: str
    trust_pickle: bool
    of: str


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A command as a stage: the options that a study may set, by the names of the command line with underscores."""

    options: tuple[str, ...]
    shared: tuple[str, ...] = ()
    """Which of `COMMON` it takes."""
    check: Callable[[dict[str, Any]], None] = lambda options: None
    """Raises `SettingsError` for a value that can't be, or can't be with the others."""

    @property
    def known(self) -> tuple[str, ...]:
        """All options that a study may give."""
        return self.options + self.shared


def check(name: str, options: Options) -> None:
    """Checks the options of a stage by the classes that its command puts them into; raises `SettingsError`."""
    kind = KINDS[name]
    try:
        for option in options:
            if option not in kind.known:
                raise SettingsError(unknown("option", dashed(option), map(dashed, kind.known)))
        _check_types(options, Request, *COMMON)
        _check_types(options, _Types)
        _check_kept(name, options)
        kind.check({key: value for key, value in options.items() if key not in (*COMMON, *KEPT)})
    except (SettingsError, SpaceError) as error:
        raise SettingsError(f"{name}: {error}") from None


def dashed(option: str) -> str:
    """An option as the command line writes it, without its dashes in front."""
    return option.replace("_", "-")


def _check_kept(name: str, options: Options) -> None:
    given = [option for option in (*KEPT, *TRACKED) if option in options]
    if given and name != "train" and not keeps_history(options):
        raise SettingsError(f"{dashed(given[0])} has no meaning here: this search has no checkpoints and no history")


def keeps_history(options: Options) -> bool:
    """Whether a search with these options keeps losses, α and β over time, and can be taken up in the middle."""
    usual = {"strategy": "gradient", "rank": "beta", "preset": "paper"}
    return "seeds" not in options and all(options.get(name, value) == value for name, value in usual.items())


def takes_seed(name: str, options: Options) -> bool:
    """Whether the seed of a trial decides anything of a stage: not of an ensemble, which has seeds of its own."""
    if name == "assign-ops":
        return options.get("op") == "random"
    of_many = name == "search-topology" and ("seeds" in options or options.get("preset") == "stable")
    return "seed" in KINDS[name].shared and not of_many


def _check_types(options: Options, model: type, *names: str) -> None:
    """Checks each of these options (all where none is named) by the type that it has in `model`; a list is a tuple."""
    hints = get_type_hints(model, include_extras=True)
    for name in names or options:
        if name in hints and name in options:
            try:
                value = tuple(options[name]) if isinstance(options[name], list) else options[name]
                TypeAdapter(hints[name]).validate_python(value, strict=True)
            except ValidationError as error:
                raise SettingsError(f"{dashed(name)}: {describe(error)}") from None


def _split(options: dict[str, Any], *names: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """These options, and the others but what only decides what is kept of a search."""
    own = {name: options[name] for name in names if name in options}
    return own, {name: value for name, value in options.items() if name not in (*own, *RECORDED)}


def _ops(value: str | list[str], space: str) -> tuple[str, ...]:
    """The operators that a text or a list names; raises for one that the space doesn't have."""
    found = searches.operators(value)
    for op in found:
        operator(op, searches.chosen("space", space, SPACES).operators)
    return found


def _check_topology(options: dict[str, Any]) -> None:
    own, rest = _split(options, "preset", "space", "recipe", "rank", "op", "seeds", "budget", "workers")
    _check_length(rest)
    space = own.get("space", "darts")
    if "op" in own:
        rest["ops"] = _ops(own["op"], space)
    if own.get("rank") == "race":
        searches.check_raceable(space)
        _check_types(rest, RaceSettings)
        searches.race_settings(rest | _split(own, "preset", "recipe", "seeds", "budget")[0])
        return
    if "budget" in own:
        raise SettingsError("budget belongs to a race; give rank = 'race'")
    _check_types(rest, TopologySettings)
    if "seeds" in own:
        searches.ensemble_seeds("paper", str(own["seeds"]) if isinstance(own["seeds"], int) else own["seeds"])
    searches.topology_settings(
        preset=own.get("preset", "paper"),
        space=space,
        recipe=own.get("recipe", "cifar"),
        rank=own.get("rank"),
        given=rest,
    )


def _check_joint(options: dict[str, Any]) -> None:
    own, rest = _split(options, "method", "space", "recipe", "ops")
    if "method" not in own:
        raise SettingsError("needs a method, as in method = 'darts-1st'")
    _check_length(rest)
    if "ops" in own:
        rest["ops"] = _ops(own["ops"], own.get("space", "darts"))
    _check_types(rest, JointSettings)
    settings = searches.joint_settings(own["method"], own.get("space", "darts"), own.get("recipe", "cifar"), rest)
    searches.check_trackable(settings, **{name: name in options for name in TRACKED})


def _check_operators(options: dict[str, Any]) -> None:
    own, rest = _split(options, "strategy", "recipe", "ops")
    _check_length(rest)
    if "ops" in own:
        rest["ops"] = _ops(own["ops"], "nats" if "nor_conv" in str(own["ops"]) else "darts")
    if own.get("strategy", "gradient") == "capacity":
        _check_types(rest, CapacitySettings)
        searches.capacity_settings("darts", rest)
    elif own.get("strategy", "gradient") == "gradient":
        _check_types(rest, TopologySettings)
        searches.operator_settings("darts", own.get("recipe", "cifar"), rest)
    else:
        raise SettingsError(unknown("strategy", own["strategy"], ("gradient", "capacity")))


def _check_length(options: Options) -> None:
    if "iters" in options and "epochs" in options:
        raise SettingsError("give iters or epochs, not both")


def _check_assign(options: dict[str, Any]) -> None:
    op = options.get("op", "random")
    if not isinstance(op, str):
        raise SettingsError("op is the name of one operator, or random; several are values of a grid")
    if op != "random":
        operator(op, tuple(OPERATORS))


def _check_train(options: dict[str, Any]) -> None:
    own, rest = _split(options, "recipe", "precision", "compile", "flip")
    _check_types(own, Request, "precision", "compile", "flip")
    Request().settings(own.get("recipe"), rest)
    _check_types(rest, Recipe)


def _check_query(options: dict[str, Any]) -> None:
    if "table" not in options:
        raise SettingsError("needs the table of NATS-Bench, as in table = 'nats_bench.csv.gz'")
    if options.get("of", "cifar10") not in DATA_SETS:
        raise SettingsError(unknown("data set of the table", options["of"], DATA_SETS))


KINDS: Mapping[str, Kind] = {
    "search": Kind(
        options=(*OF_SEARCHES, "method", "space", "ops", "nodes", "samples"), shared=COMMON, check=_check_joint
    ),
    "search-topology": Kind(
        options=(
            *OF_SEARCHES,
            "partial",
            "preset",
            "space",
            "op",
            "nodes",
            "engine",
            "rank",
            "budget",
            "seeds",
            "workers",
        ),
        shared=COMMON,
        check=_check_topology,
    ),
    "prune": Kind(options=("keep", "at")),
    "assign-ops": Kind(options=("op", "map"), shared=("seed",), check=_check_assign),
    "search-ops": Kind(
        options=(*OF_SEARCHES, "partial", "ops", "strategy", "score", "slack", "steps", "inits"),
        shared=COMMON,
        check=_check_operators,
    ),
    "train": Kind(options=OF_TRAINING, shared=COMMON, check=_check_train),
    "query": Kind(options=("table", "trust_pickle", "of"), check=_check_query),
}
"""In the order in which a trial runs them. `of` is ours: which data set of the table is the trial's accuracy."""

ALTERNATIVES = (("cell", "search", "search-topology"), ("assign-ops", "search-ops"), ("train", "query"))
"""Of each group a trial has one: a setting that names one takes the place of the study's other."""

EITHER = ("iters", "epochs")
"""A setting that gives one of these takes the place of the study's other, too."""
