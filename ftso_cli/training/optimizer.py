"""The optimizer of a training, and its learning rate."""

import torch
from torch import Tensor, nn

from ftso_cli.settings.recipes import Recipe

FUSED = ("cpu", "cuda", "mps")
"""Devices on which PyTorch updates all parameters by one kernel."""


def optimizer_of(network: nn.Module, recipe: Recipe, device: torch.device) -> torch.optim.SGD:
    """Return SGD as a recipe has it; without `decay_norms`, no weight decay on batch norms and biases."""
    return torch.optim.SGD(
        _groups(network, recipe),
        # A number on the device, so that a recorded step takes the rate of the moment.
        lr=torch.tensor(recipe.rate, device=device) if device.type == "cuda" else recipe.rate,
        momentum=recipe.momentum,
        weight_decay=recipe.weight_decay,
        nesterov=recipe.nesterov,
        fused=device.type in FUSED,
    )


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give the steps to come this learning rate."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate


def _groups(network: nn.Module, recipe: Recipe) -> list[dict[str, object]]:
    """Return the parameters in groups of one weight decay; scales, shifts and biases are those of one dimension."""
    parameters = list(network.parameters())
    if recipe.decay_norms:
        return [{"params": parameters}]
    decayed, free = [one for one in parameters if one.dim() > 1], [one for one in parameters if one.dim() <= 1]
    return [{"params": decayed}, {"params": free, "weight_decay": 0.0}]
