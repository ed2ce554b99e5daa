"""mixup and cutmix: every image of a batch is mixed with another one of it, and so are their labels.

torchvision's own transforms take no generator. These draw from the seed and the number of the step alone, so there is
nothing to keep for a run that goes on, and all processes of a training draw alike.
"""

import math
from dataclasses import dataclass

import torch
from numpy.random import Generator, default_rng
from torch import Tensor

from ftso_cli.settings.recipes import Recipe

Mixed = tuple[Tensor, Tensor, Tensor, Tensor]
"""Images (n, C, H, W), the label of the larger part of each (n,), that of the other part (n,), and the share of the
larger part, a number of 0.5 to 1."""


@dataclass(frozen=True, kw_only=True)
class Mixing:
    """The mixing of a training: `mixup` and `cutmix` are α of the shares' distribution Beta(α, α), 0 for never.

    Where both are above 0, one of them is drawn for each batch, either with probability 1/2.
    """

    mixup: float
    cutmix: float
    seed: int

    @classmethod
    def of(cls, recipe: Recipe, seed: int) -> "Mixing | None":
        """Return the mixing of a recipe, None where it has none."""
        return cls(mixup=recipe.mixup, cutmix=recipe.cutmix, seed=seed) if recipe.mixup or recipe.cutmix else None

    def __call__(self, images: Tensor, labels: Tensor, step: int) -> Mixed:
        """Return a batch mixed with itself, turned by half of its length, by the numbers of a step.

        Half of a batch is the same turn for any number of processes that have an even share of it.
        """
        draws = default_rng((self.seed, step))
        cuts = draws.random() < 0.5 if self.mixup and self.cutmix else self.cutmix > 0
        turn = len(images) // 2
        mixed, share = (
            cut_mixed(images, images.roll(turn, 0), self.cutmix, draws)
            if cuts
            else mixed_up(images, images.roll(turn, 0), self.mixup, draws)
        )
        main, other = (labels, labels.roll(turn)) if share >= 0.5 else (labels.roll(turn), labels)
        return mixed, main, other, torch.full((), max(share, 1 - share), device=images.device)


def mixed_up(images: Tensor, others: Tensor, alpha: float, draws: Generator) -> tuple[Tensor, float]:
    """Return λ·images + (1 - λ)·others and λ, which is drawn from Beta(α, α).

    Zhang et al. (2018), equation 2, with one λ a batch as in their code; torchvision.transforms.v2.MixUp.
    """
    share = beta(alpha, draws)
    return torch.lerp(others, images, share), share


def cut_mixed(images: Tensor, others: Tensor, alpha: float, draws: Generator) -> tuple[Tensor, float]:
    """Return images with a box of the others, the same box in all, and the share of the area that is left of them.

    Yun et al. (2019), algorithm A1: sides of √(1 - λ) of the image's, λ from Beta(α, α), around a centre anywhere, less
    what lies outside; rounding is that of torchvision.transforms.v2.CutMix.
    """
    height, width = images.shape[2:]
    half = 0.5 * math.sqrt(1 - beta(alpha, draws))
    bounds = []
    for side in (height, width):
        centre, reach = int(draws.integers(side)), int(half * side)
        bounds.append((max(centre - reach, 0), min(centre + reach, side)))
    (top, bottom), (left, right) = bounds
    mixed = images.clone()
    mixed[:, :, top:bottom, left:right] = others[:, :, top:bottom, left:right]
    return mixed, 1 - (bottom - top) * (right - left) / (height * width)


def beta(alpha: float, draws: Generator) -> float:
    """Return a number from Beta(α, α)."""
    return float(draws.beta(alpha, alpha))
