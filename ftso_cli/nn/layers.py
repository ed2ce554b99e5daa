"""A torch module for each layer of `spaces.layers`. Feature maps have the shape (N, C, H, W)."""

from collections.abc import Sequence
from functools import reduce
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from ftso_cli.spaces import layers as data


def sequential(layers: data.Layers) -> nn.Module:
    """The layers one after another; a single layer stands alone. A ReLU behind a batch norm works in place."""
    modules = [module(layer) for layer in layers]
    for before, layer in pairwise(modules):
        if isinstance(before, nn.BatchNorm2d) and isinstance(layer, nn.ReLU):
            layer.inplace = True
    return modules[0] if len(modules) == 1 else nn.Sequential(*modules)


def concatenated(maps: Sequence[Tensor]) -> Tensor:
    """Return maps (N, C, H, W) as one of all their channels; a single one is not copied."""
    return torch.cat(list(maps), dim=1) if len(maps) > 1 else maps[0]


def module(layer: data.Layer) -> nn.Module:
    """The torch module of one layer. It doesn't work in place: what it reads, other edges may read too."""
    match layer:
        case data.Relu():
            return nn.ReLU()
        case data.Conv():
            return nn.Conv2d(
                layer.inputs,
                layer.outputs,
                layer.kernel,
                layer.stride,
                layer.padding,
                layer.dilation,
                layer.groups,
                bias=False,
            )
        case data.BatchNorm():
            return nn.BatchNorm2d(layer.channels, affine=layer.affine)
        case data.Pool():
            # An even kernel meets half a window at the end of an odd size, which it pools too.
            even = layer.kernel % 2 == 0
            if layer.kind == "max":
                return nn.MaxPool2d(layer.kernel, layer.stride, layer.padding, ceil_mode=even)
            return AveragePool(layer.kernel, layer.stride, layer.padding, ceil_mode=even, count_include_pad=False)
        case data.FactorizedReduce():
            return FactorizedReduction(layer.inputs, layer.outputs)
        case data.Identity():
            return nn.Identity()
        case data.Zero():
            return Zeros(layer.stride)
        case data.AuxiliaryPool():
            return AuxiliaryPooling(layer.stride)
        case data.GlobalPool():
            return nn.AdaptiveAvgPool2d(1)
        case data.Linear():
            return nn.Sequential(nn.Flatten(), nn.Linear(layer.inputs, layer.outputs))
        case data.Sum():
            return SumOfBranches(layer.branches)


class AveragePool(nn.AvgPool2d):
    """Average pooling whose gradient is right on every device.

    With channels last and a padding, PyTorch's own has a wrong gradient on CUDA (pytorch/pytorch#188344, seen with
    2.11) and on MPS. There pixels are pooled in the usual order.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C, H / stride, W / stride)."""
        if x.device.type == "cpu" or x.is_contiguous():
            return super().forward(x)
        return super().forward(x.contiguous()).contiguous(memory_format=torch.channels_last)


class FactorizedReduction(nn.Module):
    """Half the size by two strided 1x1 convolutions, the second one pixel on: (N, C, H, W) to (N, C', H/2, W/2).

    Odd sizes are rounded up: a row and a column of zeros are added for the shifted half. The published code
    crashes there.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.even = nn.Conv2d(inputs, outputs // 2, 1, bias=False)
        self.odd = nn.Conv2d(inputs, outputs - outputs // 2, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C', (H + 1) // 2, (W + 1) // 2)."""
        # As one 2x2 convolution with a weight in one corner. PyTorch's own strided 1x1 convolutions of few channels
        # write past their memory in the backward pass on a CPU; slices have a gradient of zeros in between.
        height, width = x.shape[2:]
        if height % 2 or width % 2:
            x = functional.pad(x, (0, width % 2, 0, height % 2))
        weight, bias = self.joined()
        return functional.conv2d(x, weight, bias, 2)

    def joined(self) -> tuple[Tensor, Tensor | None]:
        """Weight (C', C, 2, 2) and bias of both halves as one convolution at stride 2."""
        corners = functional.pad(self.even.weight, (0, 1, 0, 1)), functional.pad(self.odd.weight, (1, 0, 1, 0))
        even, odd = self.even.bias, self.odd.bias
        return torch.cat(corners), None if even is None or odd is None else torch.cat([even, odd])


class Zeros(nn.Module):
    """Zeros of the shape that a pooling at `stride` would have."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to zeros of (N, C, ceil(H / stride), ceil(W / stride))."""
        return x[:, :, :: self.stride, :: self.stride] * 0.0


class SumOfBranches(nn.Module):
    """The sum of branches that read the same input."""

    def __init__(self, branches: tuple[data.Layers, ...]) -> None:
        super().__init__()
        self.branches = nn.ModuleList(sequential(branch) for branch in branches)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to what each branch makes of it, added up."""
        total: Tensor = reduce(torch.add, [branch(x) for branch in self.branches])
        return total


class AuxiliaryPooling(nn.Module):
    """5x5 average pooling where it gives 2x2 pixels, as in the published heads; adaptive pooling to 2x2 elsewhere."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C, 2, 2)."""
        if all(size >= 5 and (size - 5) // self.stride == 1 for size in x.shape[2:]):
            return functional.avg_pool2d(x, 5, self.stride)
        return functional.adaptive_avg_pool2d(x, 2)
