"""Classes of unequal size: how many images each has, and the weights that make up for it."""

import torch
from torch import Tensor

UNEVEN = 3
"""The largest class may have this many times the images of the smallest before a training says so."""


def class_counts(labels: Tensor, classes: int) -> Tensor:
    """Return the images of each class, (classes,) int64."""
    return torch.bincount(labels, minlength=classes)


def class_weights(labels: Tensor, classes: int) -> Tensor:
    """Return weights of classes, (classes,) float64, inverse to their images, of mean 1 over the images.

    A class without images has weight 0.
    """
    counts = class_counts(labels, classes)
    inverse = torch.where(counts > 0, 1 / counts.double().clamp(min=1), 0.0)
    return inverse * len(labels) / (counts > 0).sum()
