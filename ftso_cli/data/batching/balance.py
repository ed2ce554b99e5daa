"""Classes of unequal size: how many images each has, and the weights that make up for it."""

from dataclasses import dataclass

import torch
from torch import Tensor

UNEVEN = 3
"""The largest class may have this many times the images of the smallest before a training says so."""

LOSS_POWER = 0.5
"""The power of weights in a loss: with 1, rare classes are answered too often (docs/good-cells.md)."""


@dataclass(frozen=True, kw_only=True)
class ClassSizes:
    """The images of each class, by its number."""

    counts: tuple[int, ...]

    @classmethod
    def of(cls, labels: Tensor, classes: int) -> "ClassSizes":
        """Return those of labelled images."""
        return cls(counts=tuple(torch.bincount(labels, minlength=classes).tolist()))

    @property
    def largest(self) -> int:
        """The number of the class with the most images."""
        return self.counts.index(max(self.counts))

    @property
    def smallest(self) -> int:
        """The number of the class with the fewest images."""
        return self.counts.index(min(self.counts))

    @property
    def ratio(self) -> float:
        """The images of the largest class for each of the smallest."""
        return max(self.counts) / max(min(self.counts), 1)

    @property
    def uneven(self) -> bool:
        """Return True where a training says so."""
        return self.ratio > UNEVEN


def class_weights(labels: Tensor, classes: int, power: float = 1) -> Tensor:
    """Return weights of classes, (classes,) float64, inverse to a power of their images, of mean 1 over the images.

    With a power of 1 all classes have the same say; with `LOSS_POWER`, a class of a quarter of the images has half. A
    class without images has weight 0.
    """
    counts = torch.bincount(labels, minlength=classes)
    weights = torch.where(counts > 0, counts.double().clamp(min=1) ** -power, 0.0)
    return weights * len(labels) / (weights * counts).sum()
