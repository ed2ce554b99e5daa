"""The optimizer of a training, and its learning rate."""

import torch
from torch import Tensor, nn

from ftso_cli.settings.recipes import Recipe
from ftso_cli.training.start import HEADS

FUSED = ("cpu", "cuda", "mps")
"""Devices on which PyTorch updates all parameters by one kernel."""


def optimizer_of(network: nn.Module, recipe: Recipe, device: torch.device) -> torch.optim.SGD:
    """Return SGD as a recipe has it; without `decay_norms`, no weight decay on batch norms and biases."""
    return torch.optim.SGD(
        _groups(network, recipe, device),
        momentum=recipe.momentum,
        nesterov=recipe.nesterov,
        fused=device.type in FUSED,
    )


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give the steps to come this learning rate; a group of parameters takes its `share` of it."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate * group["share"])
        else:
            group["lr"] = rate * group["share"]


def _groups(network: nn.Module, recipe: Recipe, device: torch.device) -> list[dict[str, object]]:
    """Return the parameters that are trained in groups of one learning rate and one weight decay.

    Scales, shifts and biases are those of one dimension.
    """
    named = [(name, one) for name, one in network.named_parameters() if one.requires_grad]
    parts = [(named, 1.0)]
    if recipe.body_rate != 1:
        body = [pair for pair in named if not pair[0].startswith(HEADS)]
        parts = [(body, recipe.body_rate), ([pair for pair in named if pair[0].startswith(HEADS)], 1.0)]
    groups: list[dict[str, object]] = []
    for part, share in parts:
        decayed = [one for _, one in part if recipe.decay_norms or one.dim() > 1]
        free = [one for _, one in part if not recipe.decay_norms and one.dim() <= 1]
        for parameters, decay in ((decayed, recipe.weight_decay), (free, 0.0)):
            if parameters:
                # A number on the device, so that a recorded step takes the rate of the moment.
                rate = torch.tensor(recipe.rate, device=device) if device.type == "cuda" else recipe.rate
                groups.append({"params": parameters, "weight_decay": decay, "lr": rate, "share": share})
    return groups
