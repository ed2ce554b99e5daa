"""The results of a study, read from its folder and its storage at any time, finished or not.

study = read_settings(folder)       the study, with all settings in full
read(folder) -> list[Trial]         every planned trial: setting, seed, state, pipeline, accuracy, parameters, macs,
                                    seconds, measures, cells, folder, folders, error
summary(study, trials) -> list[SettingRow] a row a setting: spread of accuracies, cost, paired difference to the first
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ftso_cli.errors import RunError, SettingsError
from ftso_cli.files import make_folder, read_bytes, write_inside
from ftso_cli.genotype.schema import LARGEST
from ftso_cli.genotype.storage import describe_error
from ftso_cli.studies.analysis.statistics import Spread, spread
from ftso_cli.studies.plan import plan
from ftso_cli.studies.running import trials
from ftso_cli.studies.running.runner import STAGES
from ftso_cli.studies.study import Study

FILE = "study.json"
LIMIT = 16_000_000

Count = Annotated[int, Field(ge=0, lt=2**63)]

State = Literal["done", "running", "failed", "waiting"]
STATES: Mapping[str, State] = {"COMPLETE": "done", "RUNNING": "running", "FAIL": "failed", "WAITING": "waiting"}


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A trial: one setting with one seed."""

    setting: str
    seed: int
    state: State
    pipeline: Mapping[str, Any]
    """By command, the options of each stage."""
    accuracy: float | None = None
    """On the test images, as a share of 1."""
    parameters: int | None = None
    macs: int | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    """By stage, each as it took when it was done, also where trials share it."""
    measures: Mapping[str, float] = field(default_factory=dict)
    """Other things measured, as eigenvalue."""
    cells: str = ""
    """The kept edges with their operators."""
    folder: Path | None = None
    """The folder of its last stage; run/ in it is the run of `ftso train`."""
    folders: Mapping[str, Path] = field(default_factory=dict)
    """By stage; each has cell.json, and run/ with the history of a search."""
    error: str | None = None

    @property
    def percent_wrong(self) -> float | None:
        """The test error in percent."""
        return None if self.accuracy is None else 100 * (1 - self.accuracy)


@dataclass(frozen=True, kw_only=True)
class SettingRow:
    """A setting over its seeds; errors in percent."""

    setting: str
    error: Spread | None
    difference: Spread | None
    """The difference in error to the first setting, paired by seed where both are done."""
    parameters: float | None
    macs: float | None
    seconds: float | None
    """The cost of the search: seconds of all stages but the training, mean over the seeds."""
    training: float | None
    measures: Mapping[str, Spread]
    paper: float | None


def write_settings(study: Study, folder: Path) -> None:
    """Keeps the study, in full, in its folder."""
    make_folder(folder)
    write_inside(folder / FILE, (study.model_dump_json(indent=2) + "\n").encode())


def read_settings(folder: Path) -> Study:
    """The study of a folder; raises `RunError` where it holds none."""
    if not (folder / FILE).is_file():
        raise RunError(f"{folder}: no study, it has no {FILE}; ftso sweep STUDY.toml makes one")
    try:
        study = Study.model_validate_json(read_bytes(folder / FILE, limit=LIMIT))
        study.check()
        return study
    except ValidationError as error:
        raise RunError(f"{folder / FILE}: {describe_error(error)}") from None
    except SettingsError as error:
        raise RunError(f"{folder / FILE}: {error}") from None


def read_trials(folder: Path, storage: str | None = None) -> list[Trial]:
    """All planned trials of a study, settings of the first seed first.

    Raises `RunError` where `folder` holds no study and `FileError` where its storage can't be reached.
    """
    study = read_settings(folder)
    planned = plan(study)
    found = trials.read_states(study.name, folder, storage, [one.key for one in planned])
    pipelines = {setting.name: setting.pipeline for setting in study.settings}
    return [
        _trial(one.setting, one.seed, pipelines[one.setting], found.get(one.key), folder / STAGES) for one in planned
    ]


def _trial(setting: str, seed: int, pipeline: Mapping[str, Any], kept: Any, root: Path) -> Trial:
    if kept is None:
        return Trial(setting=setting, seed=seed, state="waiting", pipeline=pipeline)
    try:
        facts = TrialFacts.model_validate(kept.user_attrs, strict=False)
    except ValidationError as error:
        raise RunError(
            f"{root.parent}: the record of {setting!r}, seed {seed}, is damaged ({describe_error(error)})"
        ) from None
    folders = {name: root / path for name, path in facts.folders.items()}
    return Trial(
        setting=setting,
        seed=seed,
        state=STATES[kept.state.name],
        pipeline=pipeline,
        folder=list(folders.values())[-1] if folders else None,
        folders=folders,
        **facts.model_dump(exclude={"folders"}),
    )


class TrialFacts(BaseModel):
    """The facts in a trial's record; a database that somebody else wrote may hold anything."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)

    accuracy: Annotated[float, Field(ge=0, le=1)] | None = None
    parameters: Count | None = None
    macs: Count | None = None
    seconds: dict[str, Annotated[float, Field(ge=0, le=1e12)]] = {}
    measures: dict[str, Annotated[float, Field(ge=-LARGEST, le=LARGEST)]] = {}
    cells: Annotated[str, Field(max_length=100_000)] = ""
    error: Annotated[str, Field(max_length=10_000)] | None = None
    folders: dict[str, Annotated[str, Field(pattern=r"^[a-z-]+-[0-9a-f]{12}$")]] = {}
    """By stage, its folder in that of the study."""


def summary(study: Study, found: Sequence[Trial]) -> list[SettingRow]:
    """A row a setting, in the order of the study."""
    first = {one.seed: one.percent_wrong for one in found if one.setting == study.settings[0].name}
    rows = []
    for setting in study.settings:
        own = [one for one in found if one.setting == setting.name and one.state == "done"]
        errors = {one.seed: one.percent_wrong for one in own if one.percent_wrong is not None}
        pairs = [error - base for seed, error in errors.items() if (base := first.get(seed)) is not None]
        rows.append(
            SettingRow(
                setting=setting.name,
                error=spread(list(errors.values())),
                difference=None if setting is study.settings[0] else spread(pairs),
                parameters=_mean([one.parameters for one in own]),
                macs=_mean([one.macs for one in own]),
                seconds=_mean([sum(_searching(one).values()) for one in own]),
                training=_mean([one.seconds.get("train") for one in own]),
                measures=_measures(own),
                paper=setting.paper,
            )
        )
    return rows


def _searching(trial: Trial) -> dict[str, float]:
    return {name: value for name, value in trial.seconds.items() if name != "train"}


def _measures(own: Sequence[Trial]) -> dict[str, Spread]:
    names = sorted({name for one in own for name in one.measures})
    spreads = {name: spread([one.measures[name] for one in own if name in one.measures]) for name in names}
    return {name: value for name, value in spreads.items() if value is not None}


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None
