"""Measures of an untrained network that say something of what it will reach; higher is better.

synflow  Tanaka et al., 2020, as a score of networks by Abdelfattah et al., 2021: the logarithm of Σ |θ · ∂R/∂θ|, where
         R is the sum of the outputs for an image of ones, all weights taken positive, batch norm left out
naswot   Mellor et al., 2021: the log-determinant of how alike the images of a batch switch the ReLUs
zico     Li et al., 2023: Σ over layers of the logarithm of Σ mean / deviation of the gradients' sizes over batches
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from ftso_cli.nn.network import Network
from ftso_cli.search.engine.bilevel import Batch
from ftso_cli.settings.capacity import Score

NONE = float("-inf")
"""The score of a network whose output does not depend on its input."""


def synflow(network: Network, batches: Sequence[Batch]) -> float:
    """In nats; only the size of the images counts. A fresh batch norm in evaluation mode passes on what it reads."""
    network = network.double().eval()
    weights = list(network.parameters())
    with torch.no_grad():
        for weight in weights:
            weight.abs_()
    images = torch.ones_like(batches[0][0][:1], dtype=torch.float64)
    gradients = torch.autograd.grad(network(images)[0].sum(), weights, allow_unused=True)
    flow = sum(
        (
            (weight * gradient).sum()
            for weight, gradient in zip(weights, gradients, strict=True)
            if gradient is not None
        ),
        torch.zeros((), dtype=torch.float64),
    )
    return flow.log().item()


def naswot(network: Network, batches: Sequence[Batch]) -> float:
    """The log-determinant of K, (N, N): the number of ReLUs that two images switch alike."""
    images = batches[0][0]
    kernel = torch.zeros(len(images), len(images), dtype=torch.float64)

    def add(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        on = (output.flatten(1) > 0).to(torch.float32)
        kernel.add_((on @ on.T + (1 - on) @ (1 - on).T).cpu())

    for module in network.train().modules():
        if isinstance(module, nn.ReLU):
            module.register_forward_hook(add)
    with torch.no_grad():
        network(images)
    sign, value = torch.linalg.slogdet(kernel)
    return value.item() if sign > 0 else NONE


def zico(network: Network, batches: Sequence[Batch]) -> float:
    """Over all batches, for the weights of convolutions and the classifier."""
    network.train()
    weights = [weight for weight in network.parameters() if weight.dim() > 1]
    sizes: list[list[Tensor]] = [[] for _ in weights]
    for images, labels in batches:
        loss = functional.cross_entropy(network(images)[0], labels)
        for kept, gradient in zip(sizes, torch.autograd.grad(loss, weights, allow_unused=True), strict=True):
            if gradient is not None:
                kept.append(gradient.abs())
    total = 0.0
    for kept in sizes:
        if not kept:
            continue
        deviation, mean = torch.std_mean(torch.stack(kept), 0, correction=0)
        ratio = (mean / deviation)[deviation > 0].sum()
        total += ratio.log().item() if ratio > 0 else 0.0
    return total


SCORES: Mapping[Score, Callable[[Network, Sequence[Batch]], float]] = {
    "synflow": synflow,
    "naswot": naswot,
    "zico": zico,
}
