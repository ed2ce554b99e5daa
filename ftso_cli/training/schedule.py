"""What changes from epoch to epoch: the learning rate and the drop-path rate. Pure functions of the epoch."""

import math

from ftso_cli.settings.recipes import Recipe

LAST = 5
"""Epochs at the end of the linear schedule in which the rate falls more slowly (published code of PC-DARTS)."""


def learning_rate(recipe: Recipe, epoch: int) -> float:
    """Return the rate in `epoch` (from 0); none has 0.

    The linear schedule is that of PC-DARTS' published code, which falls from epoch 0 on, during the warm-up too. The
    cosine begins behind the warm-up.
    """
    ramp = min((epoch + 1) / recipe.warmup, 1.0) if recipe.warmup else 1.0
    if recipe.schedule == "linear":
        return recipe.rate * _linear(recipe.epochs, epoch) * ramp
    done = max(epoch - recipe.warmup, 0) / max(recipe.epochs - recipe.warmup, 1)
    return recipe.rate * ramp * (1 + math.cos(math.pi * done)) / 2


def _linear(epochs: int, epoch: int) -> float:
    """Return the share of the rate: as if it ended at 0 after `epochs - LAST` epochs, and slower in the last ones."""
    if epochs <= LAST:
        return (epochs - epoch) / epochs
    if epochs - epoch > LAST:
        return (epochs - LAST - epoch) / (epochs - LAST)
    return (epochs - epoch) / ((epochs - LAST) * LAST)


def drop_path_rate(recipe: Recipe, epoch: int) -> float:
    """The drop-path rate in `epoch`: linear from 0 towards `recipe.drop_path` (DARTS, A.2)."""
    return recipe.drop_path * epoch / recipe.epochs
