"""The progress of a training: rows of metrics, sums over the current epoch, and the values of a checkpoint."""

from dataclasses import dataclass

from pydantic import TypeAdapter

from ftso_cli.genotype.schema import Model
from ftso_cli.training.run import Epoch
from ftso_cli.training.step.schedule import Course

Row = dict[str, float | int | None]
"""A line of metrics.csv; None is an empty field."""

NOT_VALIDATED: Row = {"val_loss": None, "val_accuracy": None}


@dataclass(frozen=True, kw_only=True)
class TrainingProgress:
    """The state of a training after a step: running means over the epoch."""

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
    course: Course | None = None
    """The end of a training whose time is limited, if it is not as planned."""

    def check(self, planned: Course, course: Course, steps: int, batch_size: int, done: int) -> None:
        """Raises `ValueError` for counts that no training of so many steps an epoch has, of which `done` are done.

        It was `planned`, and goes on by `course`.
        """
        epochs, whole = -(-course.end // steps), len(self.rows) * steps
        if course.length != planned.length or not 0 <= course.since < course.end <= planned.end:
            raise ValueError(f"steps {course.since} to {course.end} of {planned.end}")
        if not 0 <= course.place < course.length:
            raise ValueError(f"place {course.place} in a schedule of {course.length} steps")
        TypeAdapter(tuple[Epoch, ...]).validate_python(self.rows)
        if any(row.get(name) is None for row in self.rows for name in Epoch.model_fields.keys() - NOT_VALIDATED):
            raise ValueError("an empty field in the rows of metrics")
        sums = self.sums
        if [row["epoch"] for row in self.rows] != list(range(1, len(self.rows) + 1)) or len(self.rows) > epochs:
            raise ValueError(f"{len(self.rows)} rows of metrics for {epochs} epochs")
        if not 0 <= sums.steps < steps or done != min(whole + sums.steps, course.end):
            raise ValueError(f"step {sums.steps} of epoch {len(self.rows) + 1}, and its batches are at step {done}")
        if not 0 <= sums.correct <= sums.images <= sums.steps * batch_size or min(sums.loss, sums.seconds) < 0:
            raise ValueError(f"{sums.correct} right answers of {sums.images} images in {sums.steps} steps")
        if sums.steps and not sums.images:
            raise ValueError(f"no images in {sums.steps} steps")
