"""Zero-cost scores: measures of an untrained network that say something about its accuracy; higher is better.

θ are the weights of convolutions and of the classifier, L is the cross-entropy of a batch.

params     number of trainable parameters
synflow    log Σ |θ · ∂R/∂θ|, R the sum of the outputs for an image of ones, parameters made positive, batch norm left
           out (Tanaka et al., 2020; of networks: Abdelfattah et al., 2021)
naswot     log-determinant of the kernel that counts ReLUs two images switch alike (Mellor et al., 2021, version 3)
jacov      spread of the correlations of the images' Jacobians (Mellor et al., 2020, version 1)
zico       Σ over layers of log Σ mean / deviation of |∂L/∂θ| over batches (Li et al., 2023, equation 16)
snip       Σ |θ · ∂L/∂θ| (Lee et al., 2019)
grad_norm  Σ over layers of the Euclidean norm of ∂L/∂θ (Abdelfattah et al., 2021)
fisher     Σ over channels of ½ mean over images of (Σ z · ∂L/∂z)², z the channel's map (Theis et al., 2018; Turner et
           al., 2020)
grasp      -Σ θ · H ∂L/∂θ, H the Hessian (Wang et al., 2020)
"""

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from ftso_cli.nn.layers import FactorizedReduction
from ftso_cli.nn.network import Network
from ftso_cli.search.engine.bilevel import Batch
from ftso_cli.settings.evaluation import Score

NONE = float("-inf")
"""The score of a network whose output does not depend on its input, or whose score is not finite."""

JACOV_OFFSET = 1e-5
"""k in Mellor et al., 2020; keeps the logarithm and the reciprocal of an eigenvalue finite."""


def params(network: Network, batches: Sequence[Batch]) -> float:
    """Return the number of trainable parameters."""
    return float(sum(weight.numel() for weight in network.parameters()))


def synflow(network: Network, batches: Sequence[Batch]) -> float:
    """In nats; only the size of the images counts. A fresh batch norm in evaluation mode passes on what it reads."""
    network = network.double().eval()
    weights = _weights(network)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.abs_()
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
    return float(flow.detach().log())


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


def jacov(network: Network, batches: Sequence[Batch]) -> float:
    """-Σ log(σ + k) + 1 / (σ + k), σ the eigenvalues of the correlations, (N, N), of ∂(sum of the outputs)/∂image."""
    images = batches[0][0].clone().requires_grad_()
    (jacobian,) = torch.autograd.grad(network.train()(images)[0].sum(), images)
    correlations = torch.corrcoef(jacobian.flatten(1).double())
    if not correlations.isfinite().all():
        return NONE
    values = torch.linalg.eigvalsh(correlations).clamp(min=0) + JACOV_OFFSET
    return -float((values.log() + 1 / values).sum())


def zico(network: Network, batches: Sequence[Batch]) -> float:
    """Over all batches; the published code takes the deviation of ∂L/∂θ with its sign instead."""
    weights = _weights(network)
    sizes: list[list[Tensor]] = [[] for _ in weights]
    for batch in batches:
        gradients = torch.autograd.grad(_loss(network, batch), weights, allow_unused=True)
        for kept, gradient in zip(sizes, gradients, strict=True):
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


def snip(network: Network, batches: Sequence[Batch]) -> float:
    """Return how much the loss depends on whether each weight is there."""
    return sum(float((weight * gradient).detach().abs().sum()) for weight, gradient in _gradients(network, batches[0]))


def grad_norm(network: Network, batches: Sequence[Batch]) -> float:
    """Return the norms of the layers' gradients, added up."""
    return sum(float(gradient.norm()) for _, gradient in _gradients(network, batches[0]))


def fisher(network: Network, batches: Sequence[Batch]) -> float:
    """Over the outputs z, (N, C, H, W), of every convolution and of the classifier, (N, C)."""
    maps: list[Tensor] = []
    for module in network.modules():
        # A factorized reduction runs its two convolutions as one, without calling them.
        if isinstance(module, nn.Conv2d | nn.Linear | FactorizedReduction):
            module.register_forward_hook(lambda module, inputs, output: maps.append(output))
    gradients = torch.autograd.grad(_loss(network, batches[0]), maps, allow_unused=True)
    total = 0.0
    for each, gradient in zip(maps, gradients, strict=True):
        if gradient is not None:
            flow = (each * gradient).flatten(2).sum(2) if each.dim() > 2 else each * gradient
            total += (flow.square().mean(0) / 2).sum().item()
    return total


def grasp(network: Network, batches: Sequence[Batch]) -> float:
    """By a product of the Hessian with a vector; positive where a step along the gradient makes it shorter."""
    weights = _weights(network)
    gradients = torch.autograd.grad(_loss(network, batches[0]), weights, create_graph=True, allow_unused=True)
    squares = [(gradient.detach() * gradient).sum() for gradient in gradients if gradient is not None]
    products = torch.autograd.grad(torch.stack(squares).sum(), weights, allow_unused=True)
    pairs = zip(weights, products, strict=True)
    return -sum(float((weight * product).detach().sum()) for weight, product in pairs if product is not None)


def _weights(network: Network) -> list[Tensor]:
    """Return the weights of convolutions and of the classifier, without those of batch norms, and no biases."""
    return [weight for weight in network.parameters() if weight.dim() > 1]


def _loss(network: Network, batch: Batch) -> Tensor:
    """Return the mean cross-entropy of a batch, with the statistics of the batch in batch norms."""
    images, labels = batch
    return functional.cross_entropy(network.train()(images)[0], labels)


def _gradients(network: Network, batch: Batch) -> list[tuple[Tensor, Tensor]]:
    """Return the weights that the loss depends on, each with its gradient."""
    weights = _weights(network)
    gradients = torch.autograd.grad(_loss(network, batch), weights, allow_unused=True)
    return [(weight, gradient) for weight, gradient in zip(weights, gradients, strict=True) if gradient is not None]


SCORES: Mapping[Score, Callable[[Network, Sequence[Batch]], float]] = {
    "params": params,
    "synflow": synflow,
    "naswot": naswot,
    "zico": zico,
    "jacov": jacov,
    "snip": snip,
    "grad_norm": grad_norm,
    "fisher": fisher,
    "grasp": grasp,
}
"""Each changes the network that it is given, or its batch norms, so every score takes a new one."""


def score_of(name: Score, network: Network, batches: Sequence[Batch]) -> float:
    """Return a score, `NONE` where it is not finite."""
    value = SCORES[name](network, batches)
    return value if math.isfinite(value) else NONE
