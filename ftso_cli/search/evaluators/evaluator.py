"""The protocol of an evaluator, which tells a search how good a cell is, and the context that one is made in.

An evaluator is a callable from a complete genotype to its reward. `registry.EVALUATORS` has the makers by name.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch

from ftso_cli.data import ImageData
from ftso_cli.genotype import Genotype
from ftso_cli.settings.evaluation import EvaluationSettings


class Evaluator(Protocol):
    """A measure of cells by which a search chooses; the same cell always has the same reward."""

    def __call__(self, genotype: Genotype, /) -> float:
        """Return the reward of a complete genotype: finite, or minus infinity; higher is better."""


@runtime_checkable
class ScalableEvaluator(Evaluator, Protocol):
    """An evaluator that can look longer, as successive halving needs."""

    def longer(self, times: int) -> Evaluator:
        """Return the evaluator that takes `times` as long, and is as comparable between cells."""


@dataclass(frozen=True, kw_only=True)
class EvaluationContext:
    """The context of an evaluator: settings, images, seed and device.

    `reached` gives the accuracy of a cell in the table of a benchmark, None where the search has no table.
    """

    settings: EvaluationSettings
    data: ImageData
    seed: int
    device: torch.device
    reached: Callable[[Genotype], float] | None = None


MakeEvaluator = Callable[[EvaluationContext], Evaluator]
"""Makes an evaluator; raises `SettingsError` where the context lacks something that it needs."""
