"""The commands that a trial is made of, their options by name, and how these are checked before anything runs."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from ftso_cli.api import settings as searches
from ftso_cli.errors import SettingsError, SpaceError, unknown
from ftso_cli.genotype.storage import describe
from ftso_cli.search.capacity_settings import CapacitySettings
from ftso_cli.search.recipes import OPERATOR_SETS
from ftso_cli.search.settings import JointSettings, TopologySettings
from ftso_cli.spaces import OPERATORS, SPACES, operator
from ftso_cli.spaces.nats import DATA_SETS
from ftso_cli.training.recipes import Recipe
from ftso_cli.training.request import Request

Options = Mapping[str, Any]

COMMON = ("data", "image_size", "device", "seed")
"""What stages have from the study, where they don't have their own."""

RECORDED = ("track", "early_stop", "every")
KEPT = ("save_every", "tensorboard")
"""What a long stage keeps on its way; decides nothing of its result."""

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
    "precision",
    "compile",
    *KEPT,
)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A command as a stage: the options that a study may set, by the names of the command line with underscores."""

    options: tuple[str, ...]
    shared: tuple[str, ...] = ()
    """Which of `COMMON` it takes."""
    check: Callable[[dict[str, Any]], None]
    """Raises `SettingsError` for a value that can't be."""

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
        _check_kept(name, options)
        kind.check({key: value for key, value in options.items() if key not in (*COMMON, *KEPT)})
    except (SettingsError, SpaceError) as error:
        raise SettingsError(f"{name}: {error}") from None


def dashed(option: str) -> str:
    """An option as the command line writes it, without its dashes in front."""
    return option.replace("_", "-")


def _check_kept(name: str, options: Options) -> None:
    given = [option for option in KEPT if option in options]
    if given and name != "train" and not keeps_history(options):
        raise SettingsError(f"{dashed(given[0])} has no meaning here: this search has no checkpoints and no history")
    minutes = options.get("save_every", 0)
    if type(minutes) not in (int, float) or not 0 <= minutes < math.inf:
        raise SettingsError(f"save-every is a number of minutes from 0 up, not {minutes!r}")
    if not isinstance(options.get("tensorboard", False), bool):
        raise SettingsError("tensorboard is true or false")


def keeps_history(options: Options) -> bool:
    """Whether a search with these options keeps losses, α and β over time, and can be taken up in the middle."""
    if options.get("strategy") == "capacity":
        return False
    return not any(options.get(name) for name in ("seeds", "rank", "preset", "budget"))


def _check_types(options: Options, model: type, *names: str) -> None:
    """Checks each of these options (all where none is named) by the type that it has in `model`; no guessing."""
    hints = get_type_hints(model, include_extras=True)
    for name in names or options:
        if name in hints and name in options:
            try:
                TypeAdapter(hints[name]).validate_python(_frozen(options[name]), strict=True)
            except ValidationError as error:
                raise SettingsError(f"{dashed(name)}: {describe(error)}") from None


def _frozen(value: Any) -> Any:
    """Lists as the settings have them; whole numbers are numbers."""
    return tuple(value) if isinstance(value, list) else value


def _split(options: dict[str, Any], *names: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """These options, and the others but what only decides what is kept of a search."""
    own = {name: options[name] for name in names if name in options}
    return own, {name: value for name, value in options.items() if name not in (*own, *RECORDED)}


def _ops(value: Any, space: str) -> tuple[str, ...]:
    """The operators that a text or a list names; raises for one that the space doesn't have."""
    names = value.split(",") if isinstance(value, str) else value
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise SettingsError(f"operators are written as text or as a list of it, not {value!r}")
    found = tuple(op for name in names for op in OPERATOR_SETS.get(name.strip(), (name.strip(),)))
    for op in found:
        operator(op, SPACES[space].operators)
    return found


def _check_topology(options: dict[str, Any]) -> None:
    own, rest = _split(options, "preset", "space", "recipe", "rank", "op", "seeds", "budget", "workers")
    _check_length(rest)
    space = own.get("space", "darts")
    if "op" in own:
        rest["ops"] = _ops(own["op"], space)
    if own.get("rank") == "race":
        searches.race_settings(rest | {name: own[name] for name in ("budget",) if name in own})
        return
    _check_types(rest, TopologySettings)
    if "seeds" in own:
        searches.ensemble_seeds("paper", own["seeds"])
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
    searches.joint_settings(own["method"], own.get("space", "darts"), own.get("recipe", "cifar"), rest)


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
        raise SettingsError(unknown("strategy", str(own["strategy"]), ("gradient", "capacity")))


def _check_length(options: Options) -> None:
    if "iters" in options and "epochs" in options:
        raise SettingsError("give iters or epochs, not both")


def _check_prune(options: dict[str, Any]) -> None:
    keep = options.get("keep", 2)
    if not isinstance(keep, int) or keep < 1:
        raise SettingsError(f"keep must be a number from 1 up, not {keep!r}")


def _check_assign(options: dict[str, Any]) -> None:
    op = options.get("op", "random")
    if op != "random":
        operator(op, tuple(OPERATORS))


def _check_train(options: dict[str, Any]) -> None:
    own, rest = _split(options, "recipe", "precision", "compile")
    _check_types(own, Request, "precision", "compile")
    Request().settings(own.get("recipe"), rest)
    if not isinstance(own.get("recipe", ""), str):
        raise SettingsError("recipe is the name of one")
    _check_types(rest, Recipe)


def _check_query(options: dict[str, Any]) -> None:
    if not isinstance(options.get("table"), str):
        raise SettingsError("needs the table of NATS-Bench, as in table = 'nats_bench.csv.gz'")
    if options.get("of", "cifar10") not in DATA_SETS:
        raise SettingsError(unknown("data set of the table", str(options["of"]), DATA_SETS))


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
    "prune": Kind(options=("keep",), check=_check_prune),
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
