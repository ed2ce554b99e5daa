"""A zero-cost score as an evaluator: new networks of paired weights, and the same images for every cell."""

from functools import cached_property

import torch

from ftso_cli.data import Batches, ImageData
from ftso_cli.genotype import Genotype
from ftso_cli.nn.network import Network
from ftso_cli.search.engine.bilevel import Batch
from ftso_cli.search.evaluators.evaluator import EvaluationContext
from ftso_cli.search.evaluators.scores import score_of
from ftso_cli.search.evaluators.short_training import downsampled, paired
from ftso_cli.search.phases import network_shape
from ftso_cli.settings.evaluation import Score

BATCHES = 2
"""The batches that scores look at; zico compares gradients between them, the others take the first."""


class ByScore:
    """The evaluator of a score."""

    def __init__(self, score: Score, context: EvaluationContext) -> None:
        self.score, self.context = score, context
        # In double precision synflow needs a device that has it.
        self.device = torch.device("cpu") if context.device.type == "mps" else context.device

    def __call__(self, genotype: Genotype) -> float:
        """Return the score of a cell, minus infinity where it has none."""
        context = self.context
        network = Network(genotype, network_shape(context.data, context.settings), auxiliary=False)
        return score_of(self.score, paired(network, context.seed).to(self.device), self.batches)

    @cached_property
    def batches(self) -> list[Batch]:
        """The batches, on the device."""
        settings = self.context.settings
        found = score_batches(self.context.data, settings.images, settings.side, self.context.seed)
        return [(images.to(self.device), labels.to(self.device)) for images, labels in found]


def score_batches(data: ImageData, size: int, side: int, seed: int) -> list[Batch]:
    """Return the batches of `size` images that scores look at, averaged to `side` pixels where they are larger."""
    size = min(size, len(data.train))
    batches = Batches(data.train, torch.arange(len(data.train)), size, seed, normalise=data.normalise)
    return [(downsampled(images, side), labels) for images, labels in (next(batches) for _ in range(BATCHES))]
