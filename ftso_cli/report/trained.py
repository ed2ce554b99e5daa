"""What a training has left in its run folder: settings, a line an epoch, the accuracy on the test images."""

from dataclasses import dataclass
from pathlib import Path

from ftso_cli.genotype import Genotype
from ftso_cli.texts import one_line
from ftso_cli.training.run import Config, Epoch, Run, TestResult


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
        """What the run is called: as its folder, or as the one around it where that is called no more than run."""
        return one_line(self.folder.resolve().parent.name if self.folder.name == "run" else self.folder.name)

    @property
    def seconds(self) -> float:
        """Those of all epochs."""
        return sum(epoch.seconds or 0.0 for epoch in self.epochs)


def is_training(folder: Path) -> bool:
    """Whether `ftso train` has made this folder."""
    return (folder / "config.json").is_file() and (folder / "genotype.json").is_file()


def read_training(folder: Path) -> TrainedRun:
    """The training of a run folder; raises `RunError` or `GenotypeError` where a file in it is damaged."""
    run = Run(folder)
    return TrainedRun(
        folder=folder,
        genotype=run.genotype(),
        config=run.config(),
        epochs=run.epochs(),
        result=run.result(),
    )
