"""Workers that run the trials of a study until none is left that they could run."""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

from ftso_cli.api.health import cores
from ftso_cli.files import make_inside
from ftso_cli.interrupt import run_jobs
from ftso_cli.studies.analysis.measures import measure_trial
from ftso_cli.studies.plan import PlannedTrial
from ftso_cli.studies.running import trials
from ftso_cli.studies.running.work import Stopped, Workspace, file_lock, work

if TYPE_CHECKING:
    from optuna import Study, Trial

STAGES = "stages"
"""The folder of the stages, in that of the study."""

IDLE = 1.0
"""Seconds between looks for a trial, where others run the last ones."""


@dataclass(frozen=True, kw_only=True)
class EndedTrial:
    """A trial that has ended, for whoever watches."""

    planned: PlannedTrial
    accuracy: float | None
    error: str | None
    seconds: float


Watch = Callable[[EndedTrial], None]


def default_workers() -> int:
    """Two threads each: networks of this size gain little from more."""
    return max(1, cores() // 2)


def run_trials(
    planned: Sequence[PlannedTrial],
    folder: Path,
    study: "Study",
    *,
    workers: int,
    retry_failed: bool,
    watch: Watch,
    trust_pickle: bool = False,
) -> None:
    """Runs all trials that are not finished, `workers` at a time; on Ctrl-C what was begun can be taken up again.

    SIGTERM and SIGHUP end it as Ctrl-C does, with the commands that it has started. With `trust_pickle` a benchmark's
    records are read, which are pickles and can run any code.
    """
    make_inside(folder / STAGES)
    threads = max(1, cores() // workers)
    place = Workspace(root=folder / STAGES, threads=threads, stop=Event(), trust_pickle=trust_pickle)
    with _claim(place):
        trials.enqueue(study, planned)
        if retry_failed:
            for trial in trials.states(study, [one.key for one in planned]).values():
                if trial.state.name == "FAIL":
                    trials.requeue(study, trial)
    worker = _Worker({one.key: one for one in planned}, study, place, watch)
    run_jobs([worker.run] * workers, workers, place.stop)


def _claim(place: Workspace) -> AbstractContextManager[Any]:
    """Held by who adds or takes a trial, so that two on one machine don't do it at the same moment."""
    return file_lock(place.root / "claim.lock", place.stop)


@dataclass(frozen=True)
class _Worker:
    """The work of one thread; trials themselves run in processes."""

    planned: dict[str, PlannedTrial]
    study: "Study"
    place: Workspace
    watch: Watch

    def run(self) -> None:
        """Until every trial has ended, here or elsewhere."""
        while not self.place.stop.is_set():
            found = [trial.state.name for trial in trials.states(self.study, list(self.planned)).values()]
            if "WAITING" in found:
                trials.run_one(self.study, self._objective, _claim(self.place))
            elif "RUNNING" in found:
                self.place.stop.wait(IDLE)
                trials.requeue_killed(self.study)
            else:
                return

    def _objective(self, trial: "Trial") -> float:
        import optuna

        if not trials.counts(self.study, trial):
            raise optuna.TrialPruned
        planned = self.planned.get(trial.user_attrs["key"])
        if planned is None:
            # Another study file of the same name has added it.
            raise optuna.TrialPruned
        start = time.monotonic()
        try:
            work(planned.stages, self.place)
            found = measure_trial(planned.stages, self.place)
            trials.set_attributes(trial, found)
        except Stopped:
            trials.requeue(self.study, trial)
            raise optuna.TrialPruned from None
        except Exception as error:
            text = str(error) or type(error).__name__
            trials.set_attributes(trial, {"error": text})
            self.watch(EndedTrial(planned=planned, accuracy=None, error=text, seconds=time.monotonic() - start))
            raise
        accuracy = float(found["accuracy"])
        self.watch(EndedTrial(planned=planned, accuracy=accuracy, error=None, seconds=time.monotonic() - start))
        return accuracy
