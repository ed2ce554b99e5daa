"""The first steps of a training from scratch, as a measure of how fast a network trains.

The loss of a batch before the step on it, averaged over steps, ranks networks early (training speed estimation: Ru et
al., 2021). Networks that are compared start from the same weights and see the same batches.
"""

import math
import zlib
from collections.abc import Callable
from dataclasses import replace
from statistics import fmean

import torch
from torch import Tensor, nn
from torch.nn import functional

from ftso_cli.data import Augmentation, Batches, ImageData, on_device
from ftso_cli.genotype import Genotype
from ftso_cli.nn.graphs import graphed
from ftso_cli.nn.network import Network
from ftso_cli.nn.readings import Reading, Throttle
from ftso_cli.search.engine.bilevel import check_finite, descend
from ftso_cli.search.engine.descent import SGD
from ftso_cli.search.evaluators.evaluator import EvaluationContext
from ftso_cli.search.phases import network_shape
from ftso_cli.settings.searches import ShortTraining


def first_losses(
    network: Network,
    data: ImageData,
    settings: ShortTraining,
    *,
    seed: int,
    steps: int,
    device: torch.device,
    on_step: Callable[[int], None],
) -> list[float]:
    """The losses before each of `steps` steps of SGD on augmented training images in the order of `seed`.

    Raises `TrainingError` where a loss is not finite.
    """
    # On images this small channels-last is faster than fusing, and than the usual order.
    network = network.to(device).to(memory_format=torch.channels_last).train()
    weights = list(network.parameters())
    sgd = SGD(weights, rate=settings.weight_lr, momentum=settings.momentum, decay=settings.weight_decay)
    batches = Batches(
        on_device(data.train, device),
        torch.arange(len(data.train)),
        settings.batch_size,
        seed,
        normalise=data.normalise,
        augment=Augmentation.of(data),
    )

    def advance(images: Tensor, labels: Tensor) -> Tensor:
        logits, _ = network(downsampled(images, settings.side))
        loss = functional.cross_entropy(logits, labels)
        descend(sgd, weights, torch.autograd.grad(loss, weights, allow_unused=True), settings.clip)
        return loss.detach()

    take = graphed(advance, device)
    look, losses, checked = Throttle(device), [], 0
    for step in range(1, steps + 1):
        images, labels = next(batches)
        losses.append(Reading(take(images.to(device), labels.to(device))))
        on_step(step)
        if look.due() or step == steps:
            for at in range(checked, step):
                check_finite(losses[at].number, f"step {at + 1} of a run", settings.weight_lr)
            checked = step
    return [loss.number for loss in losses]


def downsampled(images: Tensor, side: int) -> Tensor:
    """(N, C, H, W) averaged to this side where it is larger, channels last."""
    if max(images.shape[2:]) > side:
        images = functional.adaptive_avg_pool2d(images, side)
    return images.contiguous(memory_format=torch.channels_last)


def paired(network: Network, seed: int) -> Network:
    """The network with initial weights that depend on `seed` and a layer's name alone, and a classifier without bias.

    They are drawn as torch does. So two networks of one seed differ only where their operators do. A random bias of
    the classifier costs a network its first steps to undo, and drowns what is compared.
    """
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            # torch's generator of a CPU takes 32 bits of a seed, so seed and name are mixed into as many.
            random = torch.Generator().manual_seed(zlib.crc32(f"{seed} {name}".encode()))
            nn.init.kaiming_uniform_(module.weight, a=math.sqrt(5), generator=random)
            if isinstance(module, nn.Linear):
                nn.init.zeros_(module.bias)
    return network


class ByTraining:
    """The evaluator of the first steps of a training: minus the mean loss over their second half.

    All cells start from paired weights and see the same batches.
    """

    def __init__(self, context: EvaluationContext) -> None:
        self.context = context

    def __call__(self, genotype: Genotype) -> float:
        """Return the reward of a cell; raises `TrainingError` where a loss is not finite."""
        context, settings = self.context, self.context.settings
        losses = first_losses(
            paired(Network(genotype, network_shape(context.data, settings), auxiliary=False), context.seed),
            context.data,
            settings,
            seed=context.seed,
            steps=settings.steps,
            device=context.device,
            on_step=lambda step: None,
        )
        return -fmean(losses[len(losses) // 2 :])

    def longer(self, times: int) -> "ByTraining":
        """Return the evaluator of `times` as many steps."""
        settings = replace(self.context.settings, steps=times * self.context.settings.steps)
        return ByTraining(replace(self.context, settings=settings))
