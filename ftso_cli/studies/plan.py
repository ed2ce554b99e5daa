"""From a study to its trials: each a chain of stages, and each stage known by all that decides its result.

Stages with equal keys are the same work: trials that share them, as a search whose cell is trained in two ways, find it
done.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from ftso_cli.errors import SettingsError
from ftso_cli.genotype import library
from ftso_cli.settings.options import FORMER_NAMES
from ftso_cli.studies.stages import STAGES, UNDECIDING, check, chooses_network, dashed, known, shared, takes_seed
from ftso_cli.studies.study import Pipeline, Setting, Study

SEARCHES = {"search", "search-topology", "search-ops"}

FIRST_NAMES = {present: former for former, present in FORMER_NAMES.items() if present != "budget"}
"""The names that keys are made of, so that the work of version 0.1 is found again; its samples were other work."""

RANDOM = "random"
"""The value of `cell` that draws a wiring by the seed."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One command of a trial, or the cell that it starts from (`cell`)."""

    name: str
    options: Mapping[str, Any]
    """Data set included, and the seed where there is use for it."""
    key: str
    """A digest of everything that decides its result, the stages before it included."""

    @property
    def folder(self) -> str:
        """The name of its folder."""
        return f"{self.name}-{self.key[:12]}"


@dataclass(frozen=True, kw_only=True)
class PlannedTrial:
    """A trial to be run."""

    setting: str
    seed: int
    stages: tuple[Stage, ...]

    @property
    def key(self) -> str:
        """The key of the trial in the storage: equal for equal work."""
        return self.stages[-1].key


def plan(study: Study) -> tuple[PlannedTrial, ...]:
    """All trials, all settings of the first seed first; raises `SettingsError` for what can't be run."""
    trials = [_planned(setting, seed, study.folds) for seed in study.seeds for setting in study.settings]
    known: dict[str, PlannedTrial] = {}
    for trial in trials:
        other = known.setdefault(trial.key, trial)
        if other is not trial:
            raise SettingsError(
                f"{_place(trial)} is the same work as {_place(other)}: change one, or leave it away"
                + ("; a seed that is given to each stage leaves the seeds of the study without use" * _fixed(trial))
            )
    return tuple(trials)


def _place(trial: PlannedTrial) -> str:
    return f"{trial.setting!r}, seed {trial.seed},"


def _fixed(trial: PlannedTrial) -> bool:
    return all(stage.options.get("seed", trial.seed) != trial.seed for stage in trial.stages)


def _planned(setting: Setting, seed: int, folds: int | None) -> PlannedTrial:
    try:
        pipeline = setting.pipeline if folds is None else _folded(setting.pipeline, seed, folds)
        stages = _stages(pipeline, seed)
    except SettingsError as error:
        raise SettingsError(f"{setting.name}: {error}") from None
    return PlannedTrial(setting=setting.name, seed=seed, stages=tuple(stages))


def _folded(pipeline: Pipeline, seed: int, folds: int) -> Pipeline:
    """Return the pipeline with a training on all but the fold of the seed."""
    if found := SEARCHES & pipeline.keys():
        raise SettingsError(f"{min(found)} would see the images of every fold; with folds give a cell, or train alone")
    if not isinstance(train := pipeline.get("train"), dict):
        raise SettingsError("folds are for a study that ends with train")
    return pipeline | {"train": {"fold": f"{seed % folds + 1}/{folds}"} | train}


def _stages(pipeline: Pipeline, seed: int) -> list[Stage]:
    """The stages of a trial in order, checked."""
    stages: list[Stage] = []
    begins = any(name in pipeline for name in ("cell", "search", "search-topology"))
    if not begins and not chooses_network(pipeline):
        raise SettingsError("has no start: give search-topology, search or cell, or train alone by the recipe auto")
    if not any(name in pipeline for name in ("train", "query")):
        raise SettingsError("has no end: give train or query")
    if cell := pipeline.get("cell"):
        stages.append(_start(str(cell), seed))
    for name in STAGES:
        options = pipeline.get(name)
        if options is None and not (name == "prune" and _leaves_edges(pipeline)):
            continue
        if not isinstance(options or {}, dict):
            raise SettingsError(f"{name} is a table of options, as in {name}.{dashed(known(name)[0])} = ...")
        given = {key: pipeline[key] for key in shared(name) if pipeline.get(key) is not None} | dict(options or {})
        check(name, given, cell=begins)
        if takes_seed(name, given, cell=begins):
            given = {"seed": seed} | given
        stages.append(_stage(name, given, stages))
    return stages


def _leaves_edges(pipeline: Pipeline) -> bool:
    """Return True where its search keeps all edges, to be pruned; a race has decided them, and their operators."""
    search = pipeline.get("search-topology")
    return search is not None and not (
        isinstance(search, dict) and (search.get("rank") == "race" or search.get("method"))
    )


def _start(cell: str, seed: int) -> Stage:
    """Plan for a published cell, a file, or a random wiring; the key is that of the cell's content."""
    if cell == RANDOM:
        return _stage("cell", {"cell": cell, "seed": seed}, [])
    if cell == "-":
        raise SettingsError("cell is -, but a study is read again to go on with it; name a file")
    genotype = library.load_genotype(cell)
    content = sha256(genotype.model_dump_json().encode()).hexdigest()
    name = cell if library.is_name(cell) else str(Path(cell).expanduser().resolve())
    return Stage(name="cell", options={"cell": name}, key=content)


def _stage(name: str, options: Mapping[str, Any], before: list[Stage]) -> Stage:
    decides = {FIRST_NAMES.get(key, key): value for key, value in options.items() if key not in UNDECIDING}
    text = json.dumps([name, decides, before[-1].key if before else None], sort_keys=True)
    return Stage(name=name, options=options, key=sha256(text.encode()).hexdigest())
