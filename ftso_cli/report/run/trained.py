"""The content of a run folder: settings, a line an epoch, the accuracy on the test images."""

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ftso_cli.genotype import Genotype
from ftso_cli.settings.shared import run_of
from ftso_cli.texts import format_duration, last_name, one_line
from ftso_cli.training.run import Config, Epoch, MeasuredLatency, Run, TestResult
from ftso_cli.training.testing.answers import ImageAnswer, read_answers

if TYPE_CHECKING:
    from ftso_cli.data import ImageRecord


@dataclass(frozen=True, kw_only=True)
class TrainedRun:
    """A run folder of `ftso train`; `result` is None while it isn't finished."""

    folder: Path
    genotype: Genotype
    config: Config
    epochs: tuple[Epoch, ...]
    result: TestResult | None

    @property
    def name(self) -> str:
        """The name of the run: that of its folder, or of the one around it where the folder is only called run."""
        return one_line(self.folder.resolve().parent.name if self.folder.name == "run" else self.folder.name)

    @property
    def shown_folder(self) -> Path:
        """The folder as others may see it."""
        return Path(last_name(str(self.folder)))

    @property
    def seconds(self) -> float:
        """The seconds of all epochs."""
        return sum(epoch.seconds or 0.0 for epoch in self.epochs)

    @property
    def duration(self) -> str:
        """The seconds, as people write them."""
        return format_duration(self.seconds)

    @property
    def data(self) -> str:
        """The name of the data set: that of its folder."""
        return Path(self.config.data).name

    @cached_property
    def answers(self) -> tuple[ImageAnswer, ...]:
        """The answers for the test images; none where the run has none. Raises `RunError` where they are damaged."""
        return read_answers(Run(self.folder), self.config.classes)

    @cached_property
    def latency(self) -> MeasuredLatency | None:
        """The measured latency, or None; raises `RunError` for a damaged file."""
        return Run(self.folder).latency()

    @cached_property
    def images(self) -> "ImageRecord | None":
        """The images that it was trained and tested on; imports torch. Raises `RunError` where they are damaged."""
        return Run(self.folder).images()

    @cached_property
    def counts(self) -> dict[str, list[int]]:
        """The images of each class by part, as far as that is known: `train`, `val`, `test`."""
        classes = self.config.classes
        tested = Counter(each.truth for each in self.answers)
        found = {"test": [tested[at] for at in range(len(classes))]}
        return found if self.images is None else found | self.images.counts(classes)


def is_training(folder: Path) -> bool:
    """Return True for the folder of an `ftso train`."""
    return run_of(folder) is not None


def read_trained_run(folder: Path) -> TrainedRun:
    """The training of a run folder; raises `RunError` or `GenotypeError` where a file in it is damaged."""
    run = Run(folder)
    return TrainedRun(
        folder=folder,
        genotype=run.genotype(),
        config=run.config(),
        epochs=run.epochs(),
        result=run.result(),
    )
