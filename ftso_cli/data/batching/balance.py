"""Classes of unequal size: how many images each has, and the weights that make up for it."""

import torch
from torch import Tensor

UNEVEN = 3
"""The largest class may have this many times the images of the smallest before a training says so."""

LOSS_POWER = 0.5
"""The power of weights in a loss: with 1, rare classes are answered too often (docs/good-cells.md)."""


def class_counts(labels: Tensor, classes: int) -> Tensor:
    """Return the images of each class, (classes,) int64."""
    return torch.bincount(labels, minlength=classes)


def class_weights(labels: Tensor, classes: int, power: float = 1) -> Tensor:
    """Return weights of classes, (classes,) float64, inverse to a power of their images, of mean 1 over the images.

    With a power of 1 all classes have the same say; with `LOSS_POWER`, a class of a quarter of the images has half. A
    class without images has weight 0.
    """
    counts = class_counts(labels, classes)
    weights = torch.where(counts > 0, counts.double().clamp(min=1) ** -power, 0.0)
    return weights * len(labels) / (weights * counts).sum()
