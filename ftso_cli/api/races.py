"""Searches that train many small networks for a short time: the race of wirings, operators by capacity."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ftso_cli.api.searching import Request, Standing
from ftso_cli.genotype import Genotype
from ftso_cli.locks import alone
from ftso_cli.search.race import journal, standings
from ftso_cli.settings.capacity import CapacitySettings
from ftso_cli.settings.searches import RaceSettings
from ftso_cli.spaces import SPACES

if TYPE_CHECKING:
    import torch

    from ftso_cli.data import ImageData
    from ftso_cli.search.operators.capacity import Choice, Trial


def journal_of(output: Path) -> Path:
    """The file beside its genotype in which a race keeps its finished runs."""
    return output.with_name(f"{output.stem}.race.json")


class Raced:
    """A race of wirings; `path` is where it keeps its finished runs, to be resumed, and `final` how it ended."""

    def __init__(
        self,
        request: Request,
        settings: RaceSettings,
        *,
        path: Path | None = None,
        resume: bool = False,
        workers: int | None = None,
    ) -> None:
        self.request, self.settings = request, settings
        self.path, self.resume, self.workers = path, resume, workers
        self.final: list[standings.Standing] = []
        self.journal: journal.Journal | None = None
        """Its finished runs, once it has begun."""

    def __call__(self, images: "ImageData", device: "torch.device", each: Callable[[Standing], None]) -> Genotype:
        """Runs it to the end."""
        from ftso_cli.search.race.race import Race, decided

        seed = self.request.seed or 0
        with alone(self.path):
            kept = journal.opened(self.request.recorded(images), seed, images.name, self.path, resume=self.resume)
            self.journal = kept
            race = Race(images, self.settings, kept, seed=seed, device=device, workers=self.workers)
            self.final.extend(race.run(each))
        found, text = decided(self.final, self.settings.op)
        self.request.notes.append(text)
        if self.settings.steps is None:
            steps = ", ".join(f"{heat} {steps}" for heat, steps in kept.steps.items())
            self.request.notes.append(f"there was time for so many steps a run: {steps}")
        return found

    def close(self) -> None:
        """Takes the journal away, once the result is written."""
        if self.journal is not None:
            self.journal.close()


class ByCapacity:
    """An operator search by capacity from the cell `start`; `choice` is what it chose among."""

    choice: "Choice"

    def __init__(self, start: Genotype, request: Request, settings: CapacitySettings) -> None:
        self.start, self.request, self.settings = start, request, settings

    def __call__(self, images: "ImageData", device: "torch.device", each: Callable[[Standing], None]) -> Genotype:
        """Runs it to the end."""
        from ftso_cli.search.operators.capacity import Capacity

        seed = self.request.seed or 0
        self.choice = choice = Capacity(self.start, images, self.settings, seed=seed, device=device).run(each)
        self.request.notes.extend(
            f"{self.label(trial)}: costs {trial.costs:.3f}, loss {trial.loss:.4f}" for trial in choice.trials
        )
        return choice.genotype

    def label(self, trial: "Trial") -> str:
        """Where a cell that was trained differs from that of the highest score."""
        kinds, cells = SPACES[self.start.space].kinds, self.start.cells
        edges = [f"{kind} {edge}" if len(kinds) > 1 else str(edge) for kind in kinds for edge in cells[kind].kept]
        both = zip(edges, trial.ops, self.choice.highest, strict=True)
        return ", ".join(f"{edge} {op}" for edge, op, its in both if op != its) or "highest score"
