"""The recipes of `ftso train`, as data. No torch here: the command line reads them for --help.

`cifar` and `imagenet` are the evaluation settings of Table 4 of the FTSO paper; what it leaves out is that of DARTS
(Liu et al., 2019, appendix A.2 and A.3) and, for ImageNet at batch 1024, of PC-DARTS (Xu et al., 2020, section 4.3),
which the paper says it follows. `quick` is ours, for a laptop.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ftso_cli.bounds import MOST_PIXELS, check_bounds
from ftso_cli.errors import SettingsError, unknown
from ftso_cli.spaces.darts import IMAGENET_PIXELS, Stem

Schedule = Literal["cosine", "linear"]

Augmentation = Literal["cifar", "imagenet"]
"""cifar: padding and a random crop, flip. imagenet: random resized crop, flip and colour jitter in training, and in
tests the centre of a larger picture (Resize 256, CenterCrop 224)."""

MOST = {"channels": 16_384, "cells": 1_000, "epochs": 1_000_000, "batch_size": 1_000_000, "warmup": 1_000_000}
MOST |= {"image_size": MOST_PIXELS}
"""More is a slip of the hand, or a file that was made to fill the memory."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The hyper-parameters of a training from scratch."""

    channels: int
    cells: int
    stem: Stem = "cifar"
    epochs: int
    batch_size: int
    rate: float
    schedule: Schedule = "cosine"
    """How the rate falls towards 0 over the epochs; it is stepped after each epoch."""
    warmup: int = 0
    """Epochs in which the rate rises linearly to `rate`."""
    momentum: float = 0.9
    weight_decay: float = 3e-4
    clip: float = 5.0
    """Largest norm of the gradient; 0 leaves it as it is."""
    auxiliary: float = 0.4
    """Weight of the auxiliary head's loss; 0 leaves the head out."""
    drop_path: float = 0.0
    """Rate towards which it rises linearly, from 0 in the first epoch."""
    cutout: float = 0.0
    """Side of the square that is cut out, as a share of the image's side."""
    label_smoothing: float = 0.0
    augmentation: Augmentation = "cifar"
    image_size: int | None = None
    """Side of the images in pixels where none is asked for; None: as the data set has it."""

    def __post_init__(self) -> None:
        check_bounds(self, _LEAST)
        for name, most in MOST.items():
            if (getattr(self, name) or 0) > most:
                raise SettingsError(f"{name.replace('_', ' ')} must be at most {most}, not {getattr(self, name)}")
        for name in ("drop_path", "cutout", "label_smoothing"):
            if not 0 <= getattr(self, name) < 1:
                raise SettingsError(
                    f"{name.replace('_', ' ')} must be at least 0 and below 1, not {getattr(self, name)}"
                )


_LEAST = {
    "channels": 1,
    "cells": 1,
    "epochs": 1,
    "batch_size": 2,
    "rate": 0,
    "warmup": 0,
    "momentum": 0,
    "weight_decay": 0,
    "clip": 0,
    "auxiliary": 0,
    "image_size": 4,
}

LEAST_CLIP = 1e-3
"""A smaller norm of the gradient moves no weight by as much as single precision keeps."""


def check_trains(recipe: Recipe) -> None:
    """Raises `SettingsError` for values with which nothing is learnt. A run of before may have them all the same."""
    if not recipe.rate:
        raise SettingsError("rate must be above 0, not 0")
    if recipe.momentum >= 1:
        raise SettingsError(f"momentum must be below 1, not {recipe.momentum:g}")
    if 0 < recipe.clip < LEAST_CLIP:
        raise SettingsError(f"clip must be at least {LEAST_CLIP:g}, or 0 for no clipping, not {recipe.clip:g}")
    if recipe.warmup > recipe.epochs:
        raise SettingsError(
            f"a warm-up of {recipe.warmup} epochs never reaches the rate in {recipe.epochs}; give fewer of warm-up, or "
            "more epochs"
        )


RECIPES: Mapping[str, Recipe] = {
    "quick": Recipe(channels=16, cells=5, epochs=12, batch_size=64, rate=0.05, cutout=0.25),
    "cifar": Recipe(
        channels=36,  # Table 4
        cells=20,  # Table 4
        epochs=600,  # Table 1
        batch_size=96,  # DARTS A.2
        rate=0.025,  # Table 4
        drop_path=0.3,  # PC-DARTS; DARTS has 0.2
        cutout=0.5,  # DARTS A.2: 16 of 32 pixels
    ),
    "imagenet": Recipe(
        channels=48,  # Table 4
        cells=14,  # Table 4
        stem="imagenet",
        epochs=250,  # Section A.1
        batch_size=1024,  # PC-DARTS
        rate=0.5,  # Table 4
        schedule="linear",  # Table 4
        warmup=5,  # PC-DARTS
        weight_decay=3e-5,  # DARTS A.3
        label_smoothing=0.1,  # PC-DARTS
        augmentation="imagenet",  # PC-DARTS' code
        image_size=IMAGENET_PIXELS,  # DARTS A.3
    ),
}


def recipe(name: str) -> Recipe:
    """The recipe called `name`; raises `SettingsError` where there is none."""
    if name not in RECIPES:
        raise SettingsError(unknown("recipe", name, RECIPES))
    return RECIPES[name]
