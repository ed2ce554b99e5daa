"""From options by name, as the command line and Python give them, to the settings of a search. No torch."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from typing import Any, TypedDict, TypeVar

from ftso_cli.errors import SettingsError, short, unknown
from ftso_cli.genotype.schema import MOST_SEEDS
from ftso_cli.settings.capacity import CapacitySettings
from ftso_cli.settings.methods import IMAGENET, METHODS, OPERATOR_SETS
from ftso_cli.settings.searches import (
    OPERATORS,
    PRESETS,
    RACE,
    SPACE_CHANGES,
    STABLE_SEEDS,
    JointSettings,
    RaceSettings,
    SearchSettings,
    TopologySettings,
)
from ftso_cli.spaces import DARTS, SPACES

RECIPES: Mapping[str, Mapping[str, Any]] = {"cifar": {}, "imagenet": IMAGENET}
"""What a recipe has instead of the method's own settings."""

SEED_DIGITS = 12
"""More are a slip of the hand. A race has some bits to add, and torch takes no more than 64."""

SEEDS = re.compile(rf"(\d{{1,{SEED_DIGITS}}})(?:-(\d{{1,{SEED_DIGITS}}}))?")

OF_NO_RACE = {"preset": "paper", "recipe": "cifar", "engine": "auto"}
"""What topology searches of another kind choose among, and where these begin."""

UNITS = {"s": 1, "m": 60, "h": 3600}


class SearchOptions(TypedDict, total=False):
    """What every search takes; `ftso search-topology --help` says what each is, and its default."""

    iters: int
    epochs: int
    channels: int
    cells: int
    partial: int
    batch_size: int
    weight_rate: float
    arch_rate: float
    weight_share: float
    arch_share: float
    warmup: float


class WiringOptions(SearchOptions, total=False):
    """What a search of wiring takes besides."""

    nodes: int


Value = TypeVar("Value")


def chosen(what: str, name: str, values: Mapping[str, Value]) -> Value:
    """The value called `name`; raises `SettingsError` where there is none."""
    if name not in values:
        raise SettingsError(unknown(what, name, values))
    return values[name]


def check_one_of(what: str, name: str | None, names: Iterable[str]) -> None:
    """Raises `SettingsError` for a name that is given and none of these."""
    if name is not None and name not in names:
        raise SettingsError(unknown(what, name, names))


def check_names(given: Iterable[str], settings: type, *more: str) -> None:
    """Raises `SettingsError` for an option that a search has no use for."""
    known = [field.name for field in fields(settings)] + list(more)
    for name in given:
        if name not in known:
            raise SettingsError(unknown("option", name, known))


Settings = TypeVar("Settings", bound=SearchSettings)


def searching(settings: Settings) -> Settings:
    """Return the settings; raises `SettingsError` for values with which α and β stay as they were drawn."""
    moves = not (isinstance(settings, JointSettings) and settings.method == "random")
    ranks = not (isinstance(settings, TopologySettings) and settings.rank == "gradient")
    if moves and ranks and settings.arch_rate == 0:
        raise SettingsError("arch rate must be above 0, not 0: α and β would stay as they were drawn")
    if settings.iters is not None and settings.warmup and round(settings.warmup * settings.iters) >= settings.iters:
        raise SettingsError(
            f"a warm-up of {settings.warmup:g} takes all {settings.iters} iterations; give more, or less of warm-up"
        )
    return settings


def topology_settings(
    *, preset: str, space: str, recipe: str, rank: str | None, given: Mapping[str, Any]
) -> TopologySettings:
    """The paper's, or those of a preset, in a space, by a recipe, with what is given."""
    check_names(given, TopologySettings)
    own = {**chosen("space", space, SPACE_CHANGES), **chosen("recipe", recipe, RECIPES), **given}
    if "epochs" in own:
        own["iters"] = given.get("iters")
    if rank is not None:
        own["rank"] = rank
    return searching(replace(chosen("preset", preset, PRESETS), **own))


def ensemble_seeds(preset: str, seeds: str | Iterable[int] | None) -> tuple[int, ...] | None:
    """The seeds of an ensemble, None for a single search."""
    if seeds is None:
        return STABLE_SEEDS if preset == "stable" else None
    return seeds_of(seeds if isinstance(seeds, str) else ",".join(map(str, seeds)))


def operator_settings(space: str, recipe: str, given: Mapping[str, Any]) -> SearchSettings:
    """Those of an operator search by gradient, all candidates of the space unless `ops` are given."""
    check_names(given, SearchSettings)
    own = {"ops": SPACES[space].candidates, **chosen("recipe", recipe, RECIPES), **given}
    return searching(replace(OPERATORS, **own))


def capacity_settings(space: str, given: Mapping[str, Any]) -> CapacitySettings:
    """Those of an operator search by capacity, all operators that a found cell may carry unless `ops` are given."""
    check_names(given, CapacitySettings)
    ops = tuple(op for op in SPACES[space].candidates if op not in SPACES[space].never_derived)
    return CapacitySettings(**{"ops": ops, **given})


def joint_settings(method: str, space: str, recipe: str, given: Mapping[str, Any]) -> JointSettings:
    """The published ones of a method, in a space, by a recipe, with what is given."""
    check_names(given, JointSettings)
    changes = chosen("space", space, SPACE_CHANGES)
    # How many channels pass the operators is the method's own affair.
    own = {name: value for name, value in changes.items() if name != "partial"} | {"ops": SPACES[space].candidates}
    methods: Mapping[str, JointSettings] = {name: known for name, known in METHODS.items()}
    return searching(
        replace(chosen("method", method, methods), **{**own, **chosen("recipe", recipe, RECIPES), **given})
    )


def check_trackable(settings: object, *, track: bool, early_stop: bool) -> None:
    """Raises `SettingsError` where the curvature of a search is to be followed that has none."""
    if isinstance(settings, JointSettings) and settings.method == "random" and (track or early_stop):
        given = "--track" if track else "--early-stop"
        raise SettingsError(f"{given}: a random search has no α and β along which a loss could curve")


def check_raceable(space: str) -> None:
    """Raises `SettingsError` for a space whose wirings don't differ."""
    if space != DARTS.name:
        raise SettingsError("nats cells keep all edges, so there is nothing to race; leave --rank race away")


def race_settings(given: Mapping[str, Any]) -> RaceSettings:
    """Those of a race; raises `SettingsError` for an option that it lacks, unless it is given as it is by default."""
    given = {name: value for name, value in given.items() if OF_NO_RACE.get(name) != value}
    # Its operator is among `ops`, and `budget` says both of its lengths.
    known = {field.name for field in fields(RaceSettings)} - {"op", "steps", "seconds"} | {"ops", "budget"}
    for name in given:
        if name not in known:
            raise SettingsError(f"--{name.replace('_', '-')}: has no meaning in a race")
    ops = given.get("ops", (RACE.op,))
    if len(ops) != 1:
        raise SettingsError("--op: a race has one operator on every edge")
    kept = {name: value for name, value in given.items() if name not in ("ops", "budget")}
    return RaceSettings(op=ops[0], **budget(given["budget"]) if "budget" in given else {}, **kept)


def budget(text: str | int) -> dict[str, Any]:
    """`5m`, `90s` or `1h` as the seconds of a race, `2000` as its training steps."""
    match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)([smh]?)", str(text).strip())
    if match is None or (not match[2] and "." in match[1]):
        raise SettingsError(
            f"--budget: {short(text)} is no budget; give a time as in 5m, 90s, 1h, or training steps as in 2000"
        )
    return {"seconds": float(match[1]) * UNITS[match[2]]} if match[2] else {"steps": int(match[1])}


def listed(values: str | Iterable[str] | None) -> tuple[str, ...]:
    """The values of an option that can be given several times, and each time may hold several, with commas between."""
    several = [values] if isinstance(values, str) else values or ()
    return tuple(part.strip() for value in several for part in value.split(",") if part.strip())


def operators(values: str | Iterable[str] | None) -> tuple[str, ...]:
    """The operators that are listed; 3op and 4op stand for those of the paper's Table 3."""
    return tuple(op for name in listed(values) for op in OPERATOR_SETS.get(name, (name,)))


def check_seed(seed: int | None) -> None:
    """Raises `SettingsError` for a seed that is not one of those that `seeds_of` reads."""
    if seed is not None and not 0 <= seed < 10**SEED_DIGITS:
        raise SettingsError(f"a seed is a number from 0 up, of at most {SEED_DIGITS} digits, not {short(seed)}")


def seeds_of(text: str) -> tuple[int, ...]:
    """The seeds that `0-15`, `3,5,8` or `0-3,9` means; raises `SettingsError` for anything else, or one twice."""
    seeds: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(SEEDS, part.strip())
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if not first <= last or last - first >= MOST_SEEDS:
            raise SettingsError(f"seeds are written as 0-15 or 3,5,8, at most {MOST_SEEDS} of them, not {short(text)}")
        seeds += range(first, last + 1)
    if len(set(seeds)) < len(seeds) or len(seeds) > MOST_SEEDS:
        raise SettingsError(f"--seeds {short(text)} has a seed twice, or more than {MOST_SEEDS}")
    return tuple(seeds)
