"""The layers that operators, stems and heads are made of, as plain data.

`ftso_cli.nn` builds a torch module from each, `ftso_cli.costs` counts parameters and MACs of each: both read the
same values, so they can't disagree. Shapes are (channels, height, width) of one image.
"""

from dataclasses import dataclass, replace
from typing import Literal, NamedTuple


class Shape(NamedTuple):
    """Channels, height and width of one image or feature map."""

    channels: int
    height: int
    width: int


@dataclass(frozen=True)
class Relu:
    """max(x, 0)."""


@dataclass(frozen=True)
class Conv:
    """A convolution without bias, padded so that stride 1 keeps the size and stride 2 halves it, rounding up."""

    inputs: int
    outputs: int
    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    dilation: int = 1
    groups: int = 1
    padded: bool = True

    @property
    def padding(self) -> tuple[int, int]:
        """Rows and columns of zeros on each side."""
        height, width = self.kernel
        return (self.dilation * (height - 1) // 2, self.dilation * (width - 1) // 2) if self.padded else (0, 0)


@dataclass(frozen=True)
class BatchNorm:
    """Batch normalisation; `affine` gives it a weight and a bias per channel."""

    channels: int
    affine: bool = True


@dataclass(frozen=True)
class Pool:
    """A 3x3 pooling padded by 1, or a 2x2 one at stride 2; stride 2 halves the size, rounding up.

    An average is over the pixels that there are: padding is left out of its count.
    """

    kind: Literal["max", "avg"]
    channels: int
    stride: int = 1
    kernel: int = 3

    @property
    def padding(self) -> int:
        """Rows and columns on each side."""
        return (self.kernel - 1) // 2


@dataclass(frozen=True)
class FactorizedReduce:
    """Two 1x1 convolutions at stride 2, one shifted by a pixel, side by side: half the size, no pixel unseen.

    Odd sizes are padded by a row and a column of zeros, so that both halves have the size (H + 1) // 2.
    """

    inputs: int
    outputs: int


@dataclass(frozen=True)
class Identity:
    """x, unchanged."""


@dataclass(frozen=True)
class Zero:
    """x times 0, at the given stride."""

    stride: int = 1


@dataclass(frozen=True)
class AuxiliaryPool:
    """5x5 average pooling to 2x2 pixels (`stride` 3 from 8x8, 2 from 7x7); adaptive where that gives another size."""

    stride: int


@dataclass(frozen=True)
class GlobalPool:
    """The mean over height and width."""


@dataclass(frozen=True)
class Linear:
    """A fully connected layer with bias, on the flattened input."""

    inputs: int
    outputs: int


@dataclass(frozen=True)
class Sum:
    """The sum of branches that all read the same input: a residual block, for example."""

    branches: tuple["Layers", ...]


Layer = Relu | Conv | BatchNorm | Pool | FactorizedReduce | Identity | Zero | AuxiliaryPool | GlobalPool | Linear | Sum
Layers = tuple[Layer, ...]


def for_search(layers: Layers) -> Layers:
    """The layers as they are in a super-net: batch norm without weights, and a batch norm behind every pool.

    DARTS (Liu et al., 2019), section 3: learnable batch norm would rescale the candidates against each other.
    """
    searched: list[Layer] = []
    for layer in layers:
        match layer:
            case BatchNorm():
                searched.append(replace(layer, affine=False))
            case Pool(channels=channels):
                searched += [layer, BatchNorm(channels, affine=False)]
            case Sum(branches):
                searched.append(Sum(tuple(for_search(branch) for branch in branches)))
            case _:
                searched.append(layer)
    return tuple(searched)
