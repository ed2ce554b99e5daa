"""How far a training has come: rows of metrics, sums over the epoch in hand, and the values of a checkpoint."""

from dataclasses import dataclass

from pydantic import TypeAdapter

from ftso_cli.genotype.schema import Model
from ftso_cli.training.run import Epoch

Row = dict[str, float | int | None]
"""A line of metrics.csv; None is an empty field."""

NOT_VALIDATED: Row = {"val_loss": None, "val_accuracy": None}


@dataclass(frozen=True, kw_only=True)
class TrainingProgress:
    """Where a training stands after a step: running means over the epoch."""

    epoch: int
    step: int
    steps: int
    loss: float
    accuracy: float


@dataclass(frozen=True, kw_only=True)
class Sums:
    """Totals of the steps of an epoch so far."""

    steps: int = 0
    images: int = 0
    correct: int = 0
    loss: float = 0.0
    seconds: float = 0.0


class CheckpointValues(Model):
    """The values of a checkpoint beside its tensors."""

    rows: tuple[Row, ...]
    sums: Sums

    def check(self, epochs: int, steps: int, batch_size: int, done: int) -> None:
        """Raises `ValueError` for counts that no training of so many epochs and steps has, `done` of which are done."""
        TypeAdapter(tuple[Epoch, ...]).validate_python(self.rows)
        sums = self.sums
        if [row["epoch"] for row in self.rows] != list(range(1, len(self.rows) + 1)) or len(self.rows) > epochs:
            raise ValueError(f"{len(self.rows)} rows of metrics for {epochs} epochs")
        if not 0 <= sums.steps < steps or done != len(self.rows) * steps + sums.steps:
            raise ValueError(f"step {sums.steps} of epoch {len(self.rows) + 1}, and its batches are at step {done}")
        if not 0 <= sums.correct <= sums.images <= sums.steps * batch_size or min(sums.loss, sums.seconds) < 0:
            raise ValueError(f"{sums.correct} right answers of {sums.images} images in {sums.steps} steps")
        if sums.steps and not sums.images:
            raise ValueError(f"no images in {sums.steps} steps")
