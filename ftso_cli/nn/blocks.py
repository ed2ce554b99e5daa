"""Networks widened by channels of zeros: the same outputs, faster in a runtime that computes channels in blocks.

onnxruntime lays maps out in blocks of 8 or 16 channels, and takes them apart at every concatenation of nodes that don't
fill blocks (docs/performance.md).
"""

from dataclasses import replace

import torch
from torch import Tensor, nn

from ftso_cli.nn.network import Network

BLOCK = 4
"""Widths become multiples of it; of 8, nothing would be faster, and files larger."""

NARROW = 10
"""Channels up to which nothing is gained."""


def in_blocks(network: Network) -> Network:
    """Return the network of more channels that gives the same outputs, or the network itself where there is none."""
    channels = network.shape.channels
    wider = -(-channels // BLOCK) * BLOCK
    if channels <= NARROW or wider == channels:
        return network
    try:
        found = Network(network.genotype, replace(network.shape, channels=wider), auxiliary=False)
    except ValueError:
        # An operator whose groups do not divide so many channels.
        return network
    found = found.to(next(network.parameters())).to(memory_format=torch.channels_last).train(network.training)
    tensors, own = found.state_dict(), network.state_dict()
    # Stems and factorized reduces have halves of even numbers.
    parts = (channels // 2, wider // 2) if channels % 2 == 0 else (channels, wider)
    if not _alike(network, found) or not all(_fits(own[name], tensors[name], *parts) for name in tensors):
        return network
    found.load_state_dict({name: _spread(own[name], tensors[name], *parts) for name in tensors})
    return found


def _alike(one: nn.Module, other: nn.Module) -> bool:
    """Return True where convolutions have as many groups in both, or are depthwise in both."""
    convolutions = ([each for each in network.modules() if isinstance(each, nn.Conv2d)] for network in (one, other))
    return all(
        a.groups == b.groups or (a.groups == a.in_channels and b.groups == b.in_channels)
        for a, b in zip(*convolutions, strict=False)
    )


def _fits(tensor: Tensor, like: Tensor, channels: int, wider: int) -> bool:
    """Return True where every size that differs is a multiple of the channels in both."""
    return all(
        has == wants or (has % channels == 0 and wants == has // channels * wider)
        for has, wants in zip(tensor.shape, like.shape, strict=True)
    )


def _spread(tensor: Tensor, like: Tensor, channels: int, wider: int) -> Tensor:
    """A tensor in the shape of another: in each size that differs, zeros follow every so many channels."""
    for dim, (has, wants) in enumerate(zip(tensor.shape, like.shape, strict=True)):
        if has != wants:
            at = torch.arange(wants).view(-1, wider)[:, :channels].flatten()
            sizes = (*tensor.shape[:dim], wants, *tensor.shape[dim + 1 :])
            tensor = tensor.new_zeros(sizes).index_copy(dim, at.to(tensor.device), tensor)
    return tensor
