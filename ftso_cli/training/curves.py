"""The metrics of a training as TensorBoard reads them, in the folder `tensorboard` of the run."""

import warnings
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from ftso_cli.errors import SettingsError
from ftso_cli.files import make_inside
from ftso_cli.training.run import Run

NAMES = ("loss", "accuracy", "rate", "drop_path", "seconds")


def check_tensorboard() -> None:
    """Raises `SettingsError` where TensorBoard's file format is not installed."""
    if find_spec("tensorboard") is None:
        raise SettingsError("--tensorboard needs tensorboard; install with: pip install 'ftso[tensorboard]'")


def folder_of_curves(folder: Path) -> Path:
    """The folder `tensorboard` of a run, made; raises `FileError` where it is a link, which might lead anywhere."""
    make_inside(folder / "tensorboard")
    return folder / "tensorboard"


class Curves:
    """Curves by epoch; those of epochs after the first `done`, which a resumed training trains again, are replaced."""

    def __init__(self, run: Run, done: int) -> None:
        check_tensorboard()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(str(folder_of_curves(run.folder)), purge_step=done + 1)

    def add(self, row: Mapping[str, float | int]) -> None:
        """Adds an epoch, at once visible."""
        for name in NAMES:
            self._writer.add_scalar(f"train/{name}", row[name], int(row["epoch"]))
        self._writer.flush()

    def add_test(self, epoch: int, accuracy: float) -> None:
        """Adds the accuracy on the test images, and closes the file."""
        self._writer.add_scalar("test/accuracy", accuracy, epoch)
        self._writer.close()
