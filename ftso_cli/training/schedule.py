"""What changes from epoch to epoch: the learning rate and the drop-path rate. Pure functions of the epoch."""

import math

from ftso_cli.training.recipes import Recipe


def learning_rate(recipe: Recipe, epoch: int) -> float:
    """The rate in `epoch` (from 0): the first epoch after the warm-up has the full rate, none has 0."""
    if epoch < recipe.warmup:
        return recipe.rate * (epoch + 1) / recipe.warmup
    done = (epoch - recipe.warmup) / max(recipe.epochs - recipe.warmup, 1)
    if recipe.schedule == "linear":
        return recipe.rate * (1 - done)
    return recipe.rate * (1 + math.cos(math.pi * done)) / 2


def drop_path_rate(recipe: Recipe, epoch: int) -> float:
    """The drop-path rate in `epoch`: linear from 0 towards `recipe.drop_path` (DARTS, A.2)."""
    return recipe.drop_path * epoch / recipe.epochs
