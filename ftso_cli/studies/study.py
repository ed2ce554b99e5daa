"""The study file: TOML, read with the standard library and checked before anything runs.

title = "How long to search"
data = "cifar10"                # what all stages have, unless they say otherwise
seeds = "0-2"
# folds = 3                     # cross-validation: each seed is tested on another third of the training images
search-topology.channels = 8    # a table for each command, options as its --help names them
assign-ops.op = "sep_conv_3x3"
train.epochs = 1

[grid]                          # every combination is a setting
search-topology.iters = [1, 10, 100]

[[settings]]                    # or settings one by one; with a grid, each of them over the grid
name = "with operator search"
search-ops.iters = 50

[full]                          # what is different with --full
seeds = "0-9"
"""

import json
import math
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator

from ftso_cli.bounds import MOST_PIXELS
from ftso_cli.errors import SettingsError, short, unknown
from ftso_cli.files import read_bytes
from ftso_cli.genotype.schema import Model, Seed
from ftso_cli.genotype.storage import describe_error
from ftso_cli.settings.options import FORMER_NAMES, present_names
from ftso_cli.settings.values import MOST_FOLDS, seeds_of
from ftso_cli.studies.stages import ALTERNATIVES, COMMON, EITHER, STAGES, dashed

LIMIT = 1_000_000
MOST = 5_000
"""Trials of a study."""

TABLES = ("cell", *STAGES)
SHARED = ("data", "image_size", "device")

Folds = Annotated[int | None, Field(ge=2, le=MOST_FOLDS)]
"""Seed s trains on all but fold s + 1 of so many, counted round, and is tested on that."""

Pipeline = dict[str, Any]
"""By command, the options of each stage; `cell` is a published cell, a file, or random."""


class Setting(Model):
    """The configuration of one row of the results."""

    name: str
    pipeline: Pipeline
    paper: float | None = Field(default=None, description="What the paper reports for it, error in percent.")

    @field_validator("pipeline")
    @classmethod
    def _has_present_names(cls, pipeline: Pipeline) -> Pipeline:
        return {name: present_names(stage) if isinstance(stage, dict) else stage for name, stage in pipeline.items()}


class Figure(Model):
    """The figure of the results."""

    kind: Literal["bars", "lines", "scatter"] = "bars"
    x: str = Field(default="", description="lines: the option on the x axis, as in search-topology.epochs.")
    by: str = Field(default="", description="scatter: the option; each of its values is drawn against the last.")
    axes: tuple[str, ...] = Field(default=(), description="scatter: what its values are called.")
    also: str = Field(default="", description="lines: a measure drawn beside the accuracy, as eigenvalue.")
    label: str = Field(default="", description="lines: what the x axis says.")
    logarithmic: bool = Field(default=False, description="lines: whether the x axis is.")
    caption: str = ""


class Study(Model):
    """A study, with all its settings in full."""

    name: str
    title: str = ""
    seeds: tuple[Seed, ...] = Field(min_length=1, max_length=MOST)
    folds: Folds = None
    settings: tuple[Setting, ...] = Field(min_length=1, max_length=MOST)
    figure: Figure = Figure()

    def check(self) -> None:
        """Raises `SettingsError` for more trials than a study may have, a name given twice, or a figure of nothing."""
        _check_size(len(self.settings) * len(self.seeds))
        _check_names(self.settings)
        _check_figure(self.figure, self.settings)


class _Head(Model):
    """The part of a study file besides its stages."""

    title: str = ""
    seeds: str | int | list[int] = 0
    folds: Folds = None
    data: str = "digits"
    image_size: int | None = Field(default=None, ge=1, le=MOST_PIXELS)
    device: str = "auto"
    grid: dict[str, Any] = Field(default={})
    settings: list[dict[str, Any]] = Field(default=[])
    figure: Figure = Figure()
    full: dict[str, Any] = Field(default={})


def read_study(path: Path, *, full: bool = False, changes: Mapping[str, Any] | None = None) -> Study:
    """The study in a file; `full` takes its full size, `changes` replaces values at the top of it.

    Raises `FileError` where it can't be read and `SettingsError`, with the place, for anything that can't be run.
    """
    return parse_study(read_bytes(path, limit=LIMIT), str(path), path.stem, full=full, changes=changes or {})


def parse_study(content: bytes, where: str, name: str, *, full: bool, changes: Mapping[str, Any]) -> Study:
    """The study in `content`; `where` names it in errors."""
    try:
        raw = _underscored(tomllib.loads(content.decode()))
        if full and not raw.get("full"):
            raise SettingsError("has no full size; leave --full away")
        whole = {**_over(raw, raw.pop("full", {}) if full else {}), **changes}
        whole.pop("full", None)
        return _study(whole, name)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{where}: is no TOML ({error})") from None
    except RecursionError:
        raise SettingsError(f"{where}: nested deeper than any study") from None
    except ValidationError as error:
        raise SettingsError(f"{where}: {describe_error(error)}") from None
    except SettingsError as error:
        raise SettingsError(f"{where}: {error}") from None


def _study(raw: dict[str, Any], name: str) -> Study:
    head = {key: value for key, value in raw.items() if key not in TABLES}
    for key in head:
        if key not in _Head.model_fields:
            raise SettingsError(unknown("setting", dashed(key), map(dashed, (*TABLES, *_Head.model_fields))))
    # By JSON, for TOML has no tuples, and a list is none where types aren't guessed.
    study = _Head.model_validate_json(json.dumps(head, default=str))
    listed, grid = study.settings or [{}], dict(_leaves(study.grid))
    seeds = tuple(range(study.folds)) if study.folds and "seeds" not in head else _seeds(study.seeds)
    _check_size(len(listed) * len(seeds) * math.prod(map(len, grid.values())))
    base = {key: raw[key] for key in TABLES if key in raw} | {key: getattr(study, key) for key in SHARED}
    settings = tuple(_settings(base, listed, grid))
    found = Study(name=name, title=study.title, seeds=seeds, folds=study.folds, settings=settings, figure=study.figure)
    found.check()
    # A study.json of an earlier version may say so, and is read without.
    _check_trust(settings)
    return found


def _seeds(value: str | int | list[int]) -> tuple[int, ...]:
    return seeds_of(",".join(map(str, value)) if isinstance(value, list) else str(value))


def _settings(base: Pipeline, listed: list[dict[str, Any]], grid: dict[str, list[Any]]) -> Iterator[Setting]:
    """Each listed setting over each point of the grid."""
    for number, own in enumerate(listed, 1):
        changes = {key: value for key, value in own.items() if key not in ("name", "paper")}
        name = own.get("name", ", ".join(_written(changes)) or ("" if grid else f"setting {number}"))
        for values in product(*grid.values()):
            point = dict(zip(grid, values, strict=True))
            pipeline = base | {key: dict(value) for key, value in base.items() if isinstance(value, dict)}
            for change in (changes, _nested(point)):
                pipeline = merged(pipeline, change)
            parts = [name, *(f"{place.split('.')[-1]} {_short(value)}" for place, value in point.items())]
            yield Setting(name=", ".join(filter(None, map(str, parts))), pipeline=pipeline, paper=own.get("paper"))


def _check_size(trials: int) -> None:
    if trials > MOST:
        raise SettingsError(f"{trials:,} trials, settings times seeds, are more than {MOST:,}; make the grid smaller")


def _check_names(settings: Sequence[Setting]) -> None:
    """Raises `SettingsError` where two settings share a name, by which results are told apart."""
    name, count = Counter(setting.name for setting in settings).most_common(1)[0]
    if count > 1:
        raise SettingsError(f"{count} settings are called {short(name)}; give each a name of its own")


def _check_trust(settings: Sequence[Setting]) -> None:
    """Raises `SettingsError` where the file trusts pickles in the user's place: whoever wrote it may not be trusted."""
    for stage in (stage for setting in settings for stage in setting.pipeline.values()):
        if isinstance(stage, dict) and "trust_pickle" in stage:
            raise SettingsError(
                "trust-pickle is no option of a study file; if you trust where the records are from, "
                "give it on the command line: ftso sweep STUDY --trust-pickle"
            )


def _check_figure(figure: Figure, settings: Sequence[Setting]) -> None:
    """Raises `SettingsError` where the figure is of an option in which no two settings differ."""
    option = {"lines": "x", "scatter": "by"}.get(figure.kind)
    if option is None:
        return
    place = str(getattr(figure, option))
    values = [value_at(setting.pipeline, place) for setting in settings]
    if len({json.dumps(value, sort_keys=True, default=str) for value in values}) < 2:
        raise SettingsError(
            f"figure.{option} is {place!r}, in which no two settings differ; "
            "name an option that the grid or the settings change, as in train.epochs"
        )


def value_of(pipeline: Mapping[str, Any], place: str) -> Any:
    """The option at a place as search-topology.iters, or the study's where the stage leaves it away; None for none."""
    table, _, option = place.partition(".")
    option = _present(option)
    stage = pipeline.get(table)
    if not option or not isinstance(stage, Mapping):
        return None if isinstance(stage, Mapping) else stage
    return stage.get(option, pipeline.get(option) if option in COMMON else None)


def value_at(pipeline: Mapping[str, Any], place: str) -> Any:
    """The option, or the whole table, at a place."""
    return pipeline.get(place) if place in pipeline else value_of(pipeline, place)


def merged(base: Pipeline, change: Pipeline) -> Pipeline:
    """The pipeline with a change: an alternative stage, or length of a search, takes the place of the other."""
    for key in change:
        if key not in (*TABLES, *SHARED):
            raise SettingsError(unknown("stage of a setting", key, (*TABLES, *map(dashed, SHARED))))
    out = dict(base)
    for group in ALTERNATIVES:
        if any(change.get(name) for name in group):
            out = {key: value for key, value in out.items() if key not in group or key in change}
    for key, value in change.items():
        out[key] = _over(_without_other_length(out.get(key), value), value)
    return {key: value for key, value in out.items() if value is not False}


def _without_other_length(own: Any, change: Any) -> Any:
    if not (isinstance(own, dict) and isinstance(change, dict) and any(name in change for name in EITHER)):
        return own
    return {key: value for key, value in own.items() if key not in EITHER}


def _over(own: Any, change: Any) -> Any:
    """Tables key by key, anything else as a whole."""
    if not (isinstance(own, dict) and isinstance(change, dict)):
        return change
    own = _without_other_length(own, change)
    return own | {key: _over(own.get(key), value) for key, value in change.items()}


def _underscored(value: Any) -> Any:
    """Options may have dashes, as on the command line, and former names; commands keep theirs."""
    if isinstance(value, list):
        return [_underscored(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {key if key in TABLES else _present(key): _underscored(item) for key, item in value.items()}


def _present(key: str) -> str:
    name = key.replace("-", "_")
    return FORMER_NAMES.get(name, name)


def _leaves(grid: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, list[Any]]]:
    """The lists of a grid, by place, as in search-topology.iters."""
    for key, value in grid.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{before}{key}.")
        elif isinstance(value, list) and value:
            yield f"{before}{key}", value
        else:
            raise SettingsError(f"grid: {before}{dashed(key)} needs a list of values, not {value!r}")


def _nested(point: Mapping[str, Any]) -> Pipeline:
    out: Pipeline = {}
    for place, value in point.items():
        table, _, option = place.partition(".")
        if option:
            out.setdefault(table, {})[option] = value
        else:
            out[table] = value
    return out


def _short(value: Any) -> str:
    return " ".join(map(str, value.values())) if isinstance(value, dict) else str(value)


def _written(changes: Mapping[str, Any]) -> Iterator[str]:
    for stage, options in changes.items():
        own = options if isinstance(options, dict) else {"": options}
        yield " ".join([stage, *(f"{dashed(key)} {value}".strip() for key, value in own.items())])
