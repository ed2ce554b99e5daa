"""An independent count: parameters and MACs of a built torch network, by hooks on its layers."""

import torch
from torch import Tensor, nn

from ftso_cli.nn.layers import FactorizedReduction


def parameters(network: nn.Module) -> int:
    """All trainable numbers of the network."""
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)


@torch.no_grad()
def macs(network: nn.Module, images: Tensor) -> int:
    """Multiply-accumulates of convolutions and Linear in one forward pass of one image."""
    total = 0

    def count(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        if isinstance(layer, nn.Conv2d):
            height, width = layer.kernel_size
            total += output.numel() * height * width * layer.in_channels // layer.groups
        elif isinstance(layer, FactorizedReduction):
            total += output.numel() * layer.even.in_channels
        elif isinstance(layer, nn.Linear):
            total += output.numel() * layer.in_features

    hooks = [layer.register_forward_hook(count) for layer in network.modules()]
    assert len(images) == 1
    network(images)
    for hook in hooks:
        hook.remove()
    return total
