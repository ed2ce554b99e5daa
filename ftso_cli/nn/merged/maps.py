"""Feature maps that pass their ReLU once, and convolutions that read the same map as one."""

from collections.abc import Sequence
from functools import cached_property, reduce
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from ftso_cli.nn.layers import concatenated
from ftso_cli.nn.merged.plan import begins_with_relu


class Map:
    """The map (N, parts · C, H, W) of nodes side by side, and what it is behind its ReLU.

    With `keep`, somebody reads `x` itself; else the ReLU works in place. An `active` one is behind its ReLU.
    """

    def __init__(self, x: Tensor, parts: int = 1, *, keep: bool, active: bool = False) -> None:
        self.x, self.parts, self.keep = x, parts, keep
        if active:
            self.active = x

    @cached_property
    def active(self) -> Tensor:
        """max(x, 0)."""
        return functional.relu(self.x, inplace=not self.keep)

    @property
    def nodes(self) -> "list[Node]":
        """The nodes, in order. Kept, they and their map would hold each other, and memory, until a collection."""
        return [Node(self, at) for at in range(self.parts)]

    @cached_property
    def chunks(self) -> tuple[Tensor, ...]:
        """`x`, node by node."""
        return self.x.chunk(self.parts, 1) if self.parts > 1 else (self.x,)

    @cached_property
    def active_chunks(self) -> tuple[Tensor, ...]:
        """`active`, node by node."""
        return self.active.chunk(self.parts, 1) if self.parts > 1 else (self.active,)


class Node(NamedTuple):
    """One of the nodes of a map."""

    map: Map
    at: int

    @property
    def x(self) -> Tensor:
        """The map of the node, (N, C, H, W)."""
        return self.map.chunks[self.at]

    @property
    def active(self) -> Tensor:
        """max(x, 0)."""
        return self.map.active_chunks[self.at]


def joined(nodes: Sequence[Node], *, active: bool) -> Tensor:
    """Nodes side by side, with `active` behind their ReLU; without a copy where they are a whole map."""
    whole = nodes[0].map
    if list(nodes) == whole.nodes:
        return whole.active if active else whole.x
    return concatenated([node.active if active else node.x for node in nodes])


def apply(layers: nn.Module, node: Node) -> Tensor:
    """The output of layers that read a node."""
    if not begins_with_relu(layers):
        return cast(Tensor, layers(node.x))
    return _behind_relu(layers, node.active)


def _behind_relu(layers: nn.Module, active: Tensor) -> Tensor:
    for layer in list(layers.children())[1:]:
        active = layer(active)
    return active


def parts(x: Tensor, widths: Sequence[int]) -> Sequence[Tensor]:
    """Channels side by side, apart; `x` itself where there is one part."""
    if len(widths) == 1:
        return [x]
    split = torch.split(x, list(widths), 1)
    # By number, as a tracer needs it.
    return [split[at] for at in range(len(widths))]


def repeated(x: Tensor, count: int) -> Tensor:
    """A view (N, count, C, H, W) of the same map for several nodes."""
    return cast(Tensor, _Repeated.apply(x, count))


class _Repeated(torch.autograd.Function):
    """`expand` with a gradient that is added up in the order of memory of the map."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, count: int) -> Tensor:
        return x.unsqueeze(1).expand(-1, count, -1, -1, -1)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None]:
        return reduce(torch.add, g.unbind(1)), None


def convolve_together(active: Tensor, layers: Sequence[nn.Module]) -> Tensor:
    """The outputs, side by side, of layers that are `is_convolution` and of one geometry, in training."""
    if len(layers) == 1:
        return in_order(_behind_relu(layers[0], active))
    convolutions, norms = zip(*(list(each.children())[1:] for each in layers), strict=True)
    first = convolutions[0]
    weight = torch.cat([convolution.weight for convolution in convolutions])
    x = functional.conv2d(active, weight, None, first.stride, first.padding, first.dilation)
    return in_order(_normalise_together(x, cast(Sequence[nn.BatchNorm2d], norms)))


def _normalise_together(x: Tensor, norms: Sequence[nn.BatchNorm2d]) -> Tensor:
    """Batch norms side by side, by the statistics of the batch; the running ones of each move on."""
    counted = [cast(Tensor, norm.num_batches_tracked) for norm in norms]
    torch._foreach_add_(counted, 1)
    first = norms[0]
    share = 1 / float(counted[0]) if first.momentum is None else first.momentum
    running = [[cast(Tensor, getattr(norm, name)) for norm in norms] for name in ("running_mean", "running_var")]
    means, variances = (torch.cat(each) for each in running)
    weight, bias = (torch.cat([getattr(norm, name) for norm in norms]) for name in ("weight", "bias"))
    output = functional.batch_norm(x, means, variances, weight, bias, True, share, first.eps)
    widths = [norm.num_features for norm in norms]
    torch._foreach_copy_(running[0] + running[1], [*torch.split(means, widths), *torch.split(variances, widths)])
    return output


def in_order(x: Tensor) -> Tensor:
    """The map, whose gradient comes in its own order of memory: PyTorch's batch norm is ten times as slow otherwise."""
    if x.requires_grad and x.is_contiguous(memory_format=torch.channels_last):
        x.register_hook(_channels_last)  # type: ignore[no-untyped-call]
    return x


def _channels_last(gradient: Tensor) -> Tensor:
    return gradient.contiguous(memory_format=torch.channels_last)
