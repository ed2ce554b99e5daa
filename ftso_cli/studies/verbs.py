"""The verbs of studies: run_study, study_status, study_results."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ftso_cli import texts
from ftso_cli.api.listening import Listener
from ftso_cli.api.search.recorded import telling
from ftso_cli.api.training.starting import RUNS
from ftso_cli.api.verbs import verb
from ftso_cli.drawing.plots import can_plot
from ftso_cli.errors import SettingsError
from ftso_cli.files import make_folder, write_atomic, write_inside
from ftso_cli.settings.requests.studies import RunStudyRequest, StudyResultsRequest, StudyStatusRequest
from ftso_cli.studies import presets
from ftso_cli.studies.analysis import figures, results, tables
from ftso_cli.studies.analysis.results import SettingRow, Trial, summary
from ftso_cli.studies.plan import PlannedTrial, plan
from ftso_cli.studies.running import runner, trials
from ftso_cli.studies.study import Study, read_study

Write = Callable[[Path, bytes], None]
"""A way to write a file: `write_inside` in the folder of the study, `write_atomic` where the user says."""


@dataclass(frozen=True)
class StudyState:
    """A study as it stands, in its folder: every planned trial, finished or not."""

    study: Study
    folder: Path
    trials: tuple[Trial, ...]
    files: tuple[Path, ...] = ()
    """The table and the picture that were written."""

    @cached_property
    def rows(self) -> tuple[SettingRow, ...]:
        """A row a setting: error over seeds, paired difference to the first, cost."""
        return tuple(summary(self.study, self.trials))


@dataclass(frozen=True, kw_only=True)
class PlannedStudy:
    """A study that is checked, with the trials that it needs."""

    study: Study
    planned: tuple[PlannedTrial, ...]
    folder: Path

    @property
    def size(self) -> dict[str, int]:
        """Settings, seeds, trials and stages."""
        stages = {stage.key for trial in self.planned for stage in trial.stages}
        return {
            "settings": len(self.study.settings),
            "seeds": len(self.study.seeds),
            "trials": len(self.planned),
            "stages": len(stages),
        }


class StudyListener(Listener):
    """Hears how a study goes on."""

    def begun_study(self, study: PlannedStudy, workers: int) -> None:
        """Hear what is run."""

    def ended(self, trial: runner.EndedTrial) -> None:
        """Hear how a trial has ended."""


@verb(RunStudyRequest)
def run_study(request: RunStudyRequest) -> StudyState:
    """Run a study: every setting with every seed, from the search to the trained network.

    `study` is a file, or the name of a preset. The same call goes on with a study that was stopped or killed; what is
    finished is never run again. With `dry_run` the study is checked, and nothing runs. The folder, `output`, gets the
    trials as CSV, and table and picture of the settings.

    Raises `SettingsError` for a study that can't be run. A trial that fails is kept with its `error`.
    """
    study = planned_study(request)
    if request.dry_run:
        waiting = (Trial(setting=one.setting, seed=one.seed, state="waiting", pipeline={}) for one in study.planned)
        return StudyState(study.study, study.folder, tuple(waiting))
    return run_planned(study, request, StudyListener())


@verb(StudyStatusRequest)
def study_status(request: StudyStatusRequest) -> StudyState:
    """Return the trials of the study in a folder: done, running, failed and waiting."""
    return _state(Path(request.folder), request.storage)


@verb(StudyResultsRequest)
def study_results(request: StudyResultsRequest) -> StudyState:
    """Return the results of a study, finished or not; write them as `csv`, `markdown` or `figure` where named.

    The `rows` of the result have means over seeds, 95 % confidence intervals and differences seed by seed.
    """
    found = _state(Path(request.folder), request.storage)
    csv, markdown, figure = (
        None if file is None else Path(file) for file in (request.csv, request.markdown, request.figure)
    )
    if figure is not None:
        figures.draw_figure(found.study, found.trials, figure)
    _write(found, csv, markdown, write_atomic)
    return found


def _state(folder: Path, storage: str | None) -> StudyState:
    return StudyState(results.read_settings(folder), folder, tuple(results.read_trials(folder, storage)))


def planned_study(request: RunStudyRequest) -> PlannedStudy:
    """Return the trials of a study; raises `SettingsError` where it can't be run, or its folder holds another."""
    asked = read_study(presets.find_study(str(request.study)), full=request.full, changes=request.changes)
    if request.full:
        asked = asked.model_copy(update={"name": f"{asked.name}-full"})
    folder = RUNS / asked.name if request.output is None else Path(request.output)
    return PlannedStudy(study=asked, planned=plan(asked), folder=folder)


def run_planned(study: PlannedStudy, request: RunStudyRequest, listener: StudyListener) -> StudyState:
    """Run the trials that are not finished; in the end write table and picture beside them."""
    folder, name = study.folder, study.study.name
    if (folder / results.FILE).exists() and results.read_settings(folder).name != name:
        raise SettingsError(f"{folder} holds the study {results.read_settings(folder).name}; name another with -o DIR")
    make_folder(folder)
    opened = trials.open_study(name, folder, request.storage)
    results.write_settings(study.study, folder)
    workers = request.workers or runner.default_workers()
    listener.begun_study(study, workers)
    with telling(listener, lambda: f"{folder} keeps all that is done; the same command goes on"):
        runner.run_trials(
            study.planned,
            folder,
            opened,
            workers=workers,
            retry_failed=request.retry_failed,
            watch=listener.ended,
            trust_pickle=request.trust_pickle,
        )
    found = _state(folder, request.storage)
    return StudyState(found.study, folder, found.trials, _write_all(found, listener))


def _write(found: StudyState, csv: Path | None, markdown: Path | None, by: Write) -> None:
    """Write the trials as CSV, the settings as a table of Markdown."""
    if csv is not None:
        by(csv, texts.csv_table(tables.of_trials(found.trials)).encode())
    if markdown is not None:
        by(markdown, texts.markdown_table(tables.of_settings(found.rows)).encode())


def _write_all(found: StudyState, listener: Listener) -> tuple[Path, ...]:
    """Write all of it into the folder of the study; the picture where matplotlib is installed."""
    csv, markdown, figure = (found.folder / name for name in ("trials.csv", "results.md", "figure.svg"))
    _write(found, csv, markdown, write_inside)
    if not can_plot():
        listener.note("for the figure: pip install 'ftso[plots]'")
        return csv, markdown
    figures.draw_figure(found.study, found.trials, figure, write_inside)
    return csv, markdown, figure
