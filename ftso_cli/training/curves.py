"""The metrics of a training as TensorBoard reads them, in the folder `tensorboard` of the run."""

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from ftso_cli.errors import FileError, SettingsError
from ftso_cli.files import make_inside
from ftso_cli.training.run import Run

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

    from ftso_cli.training.progress import Row

NAMES = ("loss", "accuracy", "rate", "drop_path", "seconds", "val_loss", "val_accuracy")


def check_tensorboard() -> None:
    """Raises `SettingsError` where TensorBoard's file format is not installed."""
    if find_spec("tensorboard") is None:
        raise SettingsError("--tensorboard needs tensorboard; install with: pip install 'ftso[tensorboard]'")


def curves_writer(folder: Path, done: int) -> "SummaryWriter":
    """Open TensorBoard's file in FOLDER/tensorboard; what comes after step `done` is replaced.

    It is written by a thread, whose errors meet the next call; its traceback stays silent. Raises `SettingsError`
    where TensorBoard's file format is not installed, and `FileError` on a full disk.
    """
    check_tensorboard()
    before = threading.excepthook

    def quiet(args: threading.ExceptHookArgs) -> None:
        if not isinstance(args.exc_value, OSError) or type(args.thread).__name__ != "_AsyncWriterThread":
            before(args)

    threading.excepthook = quiet
    with warnings.catch_warnings(), writing(folder):
        warnings.simplefilter("ignore")
        from torch.utils.tensorboard import SummaryWriter

        make_inside(folder / "tensorboard")
        return SummaryWriter(str(folder / "tensorboard"), purge_step=done + 1)


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Around writing to FOLDER/tensorboard; raises `FileError` where that can't be done."""
    try:
        yield
    except OSError as error:
        raise FileError(f"{folder / 'tensorboard'}: can't be written ({error.strerror or error})") from None


class Curves:
    """Curves by epoch; those of epochs after the first `done`, which a resumed training trains again, are replaced."""

    def __init__(self, run: Run, done: int) -> None:
        self._folder = run.folder
        self._writer = curves_writer(run.folder, done)

    def add(self, row: "Row") -> None:
        """Adds an epoch, at once visible; raises `FileError` on a full disk."""
        with writing(self._folder):
            for name in NAMES:
                if (value := row.get(name)) is not None:
                    kind = f"validation/{name[4:]}" if name.startswith("val_") else f"train/{name}"
                    self._writer.add_scalar(kind, value, int(row["epoch"] or 0))
            self._writer.flush()

    def add_test(self, epoch: int, accuracy: float) -> None:
        """Adds the accuracy on the test images, and closes the file; raises `FileError` on a full disk."""
        with writing(self._folder):
            self._writer.add_scalar("test/accuracy", accuracy, epoch)
            self._writer.close()
