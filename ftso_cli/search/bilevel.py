"""The engine of every differentiable search: α and β learn on one half of the images, the weights on the other.

First order (DARTS, section 2.3 with ξ = 0; Algorithms 1 and 2 of the FTSO paper): an iteration takes one step on the
architecture with the weights held, then one step on the weights with the architecture held.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from ftso_cli.data import Batches
from ftso_cli.errors import TrainingError
from ftso_cli.nn.supernet import SuperNet
from ftso_cli.search.descent import SGD, Adam
from ftso_cli.search.settings import SearchSettings


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Where a search stands after an iteration; losses are those before its steps."""

    iteration: int
    iterations: int
    epoch: int
    arch_loss: float
    weight_loss: float


class Bilevel:
    """Alternates steps on the architecture and on the weights of a super-net."""

    def __init__(self, net: SuperNet, settings: SearchSettings, weight_batches: Batches, arch_batches: Batches) -> None:
        self.net = net
        self.settings = settings
        self.weight_batches = weight_batches
        self.arch_batches = arch_batches
        self.iterations = settings.iters or settings.epochs * weight_batches.steps_per_epoch
        self.iteration = 0
        self.arch_steps = Adam(
            net.architecture(), rate=settings.arch_rate, momenta=settings.arch_momenta, decay=settings.arch_decay
        )
        self.weight_steps = SGD(
            net.weights(), rate=settings.weight_rate, momentum=settings.momentum, decay=settings.weight_decay
        )

    def run(self, on_iteration: Callable[[Progress], None]) -> None:
        """Runs all iterations; raises `TrainingError` where a loss is not finite."""
        self.net.train()
        while self.iteration < self.iterations:
            on_iteration(self.step())

    def step(self) -> Progress:
        """One iteration: Algorithm 1, lines 5 and 6."""
        epoch = self.iteration // self.weight_batches.steps_per_epoch
        self.weight_steps.rate = self.weight_rate(epoch)
        arch_loss = self.step_architecture()
        weight_loss = self._descend(self.weight_batches, self.net.weights(), self.weight_steps, self.settings.clip)
        self.iteration += 1
        return Progress(
            iteration=self.iteration,
            iterations=self.iterations,
            epoch=epoch,
            arch_loss=arch_loss,
            weight_loss=weight_loss,
        )

    def step_architecture(self) -> float:
        """Algorithm 1, line 5: a step on α and β; gives the held-out loss before it."""
        return self._descend(self.arch_batches, self.net.architecture(), self.arch_steps)

    def scores(self, kind: str) -> list[float]:
        """What the search found each edge of the cells of `kind` to be worth: β."""
        scores: list[float] = self.net.beta[kind].tolist()
        return scores

    def weight_rate(self, epoch: int) -> float:
        """The cosine from the full rate in epoch 0 towards 0 behind the last epoch (Table 4)."""
        epochs = math.ceil(self.iterations / self.weight_batches.steps_per_epoch)
        return self.settings.weight_rate * (1 + math.cos(math.pi * epoch / epochs)) / 2

    def _descend(
        self,
        batches: Batches,
        parameters: list[nn.Parameter],
        optimizer: Adam | SGD,
        clip: float | None = None,
    ) -> float:
        """One step of the optimizer; only `parameters` get a gradient, so nothing is left over on the others."""
        loss, gradients = self.gradients(batches, parameters)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        if clip is not None:
            nn.utils.clip_grad_norm_(parameters, clip)
        optimizer.step()
        for parameter in parameters:
            parameter.grad = None
        return loss

    def gradients(self, batches: Batches, parameters: list[nn.Parameter]) -> tuple[float, list[Tensor | None]]:
        """The loss of the next batch and its gradients on the parameters, None for what it doesn't depend on."""
        images, labels = next(batches)
        with self.net.moving(parameters):
            loss = self._loss(images, labels)
            return loss.item(), list(torch.autograd.grad(loss, parameters, allow_unused=True))

    def _loss(self, images: Tensor, labels: Tensor) -> Tensor:
        device = next(self.net.parameters()).device
        loss = functional.cross_entropy(self.net(images.to(device)), labels.to(device))
        if not torch.isfinite(loss):
            raise TrainingError(
                f"the loss is not finite at iteration {self.iteration + 1}; lower --weight-rate "
                f"(now {self.settings.weight_rate:g})"
            )
        return loss


class GradientRanking(Bilevel):
    """Trains the weights while α and β stay at 0, and sums up the gradients on β instead of following them (ours).

    β of a single search moves by Adam, whose first steps have the same size whatever the gradient, so after few steps
    the order of edges is that of the first gradients' signs. The mean gradient keeps their sizes, and its error falls
    with every step and seed.
    """

    def __init__(self, net: SuperNet, settings: SearchSettings, weight_batches: Batches, arch_batches: Batches) -> None:
        super().__init__(net, settings, weight_batches, arch_batches)
        with torch.no_grad():
            for parameter in net.architecture():
                parameter.zero_()
        self.sums = {kind: torch.zeros_like(beta) for kind, beta in net.beta.items()}

    def step_architecture(self) -> float:
        """Adds the gradients of a held-out batch to the sums; gives its loss."""
        loss, gradients = self.gradients(self.arch_batches, [self.net.beta[kind] for kind in self.sums])
        for total, gradient in zip(self.sums.values(), gradients, strict=True):
            if gradient is not None:
                total += gradient
        return loss

    def scores(self, kind: str) -> list[float]:
        """Minus the mean gradient on each β: how much the loss falls as the edge gains weight."""
        scores: list[float] = (-self.sums[kind] / max(1, self.iteration)).tolist()
        return scores
