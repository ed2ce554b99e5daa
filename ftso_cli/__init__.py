"""ftso: find the wiring of a small image-classification network first, then its operators."""

from os import PathLike
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ftso_cli.training.classifier import Classifier

__version__ = "0.1.0"


def load(run: str | PathLike[str], device: str = "cpu") -> "Classifier":
    """The trained network in a run folder, an `nn.Module` with `classes` and `preprocess`, ready to evaluate.

    Raises `RunError` where the folder holds no trained network.
    """
    from pathlib import Path

    from ftso_cli.nn.device import choose_device
    from ftso_cli.training.classifier import load_classifier
    from ftso_cli.training.run import Run

    return load_classifier(Run(Path(run)), choose_device(device))
