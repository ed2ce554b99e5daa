"""The race of wirings, which trains many small networks for a short time."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ftso_cli.api.listening import Listener
from ftso_cli.api.search.recorded import telling
from ftso_cli.api.search.searching import Found, IterationState, Task, execute
from ftso_cli.genotype import Genotype
from ftso_cli.locks import locked
from ftso_cli.processes import check_alone
from ftso_cli.search.race import checkpoint, ranking
from ftso_cli.settings.searches import RaceSettings

if TYPE_CHECKING:
    import torch

    from ftso_cli.data import ImageData


def journal_of(output: Path) -> Path:
    """The file beside its genotype in which a race keeps its finished runs."""
    return output.with_name(f"{output.stem}.race.json")


def run_race(raced: "RaceSearch") -> Found:
    """Race wirings, and write the winner."""
    check_alone("a race runs in one process, several wirings at a time with --workers N")
    with telling(raced.listener, raced.kept):
        genotype, facts = execute(raced.task, raced, raced.listener)
        raced.close()
    return Found(genotype=genotype, facts=facts, notes=tuple(raced.task.notes), final=tuple(raced.final))


class RaceSearch:
    """A race of wirings, which keeps its finished runs beside its genotype to be resumed; `final` is how it ended."""

    def __init__(
        self,
        task: Task,
        settings: RaceSettings,
        listener: Listener,
        *,
        resume: bool = False,
        workers: int | None = None,
    ) -> None:
        self.task, self.settings, self.listener = task, settings, listener
        self.path = None if task.file is None else journal_of(task.file)
        self.resume, self.workers = resume, workers
        self.final: list[ranking.RankedCandidate] = []
        self.checkpoint: checkpoint.RaceCheckpoint | None = None
        """Its finished runs, once it has begun."""

    def __call__(self, data: "ImageData", device: "torch.device", each: Callable[[IterationState], None]) -> Genotype:
        """Runs it to the end."""
        from ftso_cli.search.race.race import Race, race_result

        seed = self.task.seed or 0
        with locked(self.path):
            kept = checkpoint.open_checkpoint(self.task.recorded(data), seed, data.name, self.path, resume=self.resume)
            self.checkpoint = kept
            self.listener.race(kept)
            race = Race(data, self.settings, kept, seed=seed, device=device, workers=self.workers)
            self.final.extend(race.run(each))
        found, text = race_result(self.final, self.settings.op)
        self.task.notes.append(text)
        if self.settings.steps is None:
            steps = ", ".join(f"{rung} {steps}" for rung, steps in kept.steps.items())
            self.task.notes.append(f"there was time for so many steps a run: {steps}")
        return found

    def kept(self) -> str:
        """Return what there is to go on from, and how."""
        if self.path is None or self.checkpoint is None or not self.checkpoint.results:
            return ""
        runs = len(self.checkpoint.results)
        finished = f"{runs} finished {'run' if runs == 1 else 'runs'}"
        return f"{self.path} keeps {finished}, go on with the same command and --resume"

    def close(self) -> None:
        """Takes the checkpoint away, once the result is written."""
        if self.checkpoint is not None:
            self.checkpoint.close()
