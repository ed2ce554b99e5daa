"""The operators an edge can carry. A new one is one entry in `OPERATORS`.

A space lists its operators by name. `conv_1x1` and `conv_3x3` are the layers of NATS-Bench's `nor_conv_1x1` and
`nor_conv_3x3`, under the names that the other operators of DARTS have.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ftso_cli.errors import SpaceError, unknown
from ftso_cli.spaces.layers import (
    BatchNorm,
    Conv,
    FactorizedReduce,
    Identity,
    Layers,
    Pool,
    Relu,
    Zero,
)


@dataclass(frozen=True, kw_only=True)
class Operator:
    """One operator: its name in files, a short label for pictures, and its layers at a width and a stride."""

    name: str
    label: str
    layers: Callable[[int, int], Layers]


def _max_pool(channels: int, stride: int) -> Layers:
    return (Pool("max", channels, stride),)


def _avg_pool(channels: int, stride: int) -> Layers:
    return (Pool("avg", channels, stride),)


def _zero(channels: int, stride: int) -> Layers:
    return (Zero(stride),)


def _skip(channels: int, stride: int) -> Layers:
    """At stride 2 a skip is a factorized reduce, which has weights."""
    if stride == 1:
        return (Identity(),)
    return (Relu(), FactorizedReduce(channels, channels), BatchNorm(channels))


def _depthwise_separable(kernel: int, channels: int, stride: int, dilation: int = 1) -> Layers:
    return (
        Relu(),
        Conv(channels, channels, (kernel, kernel), (stride, stride), dilation, groups=channels),
        Conv(channels, channels),
        BatchNorm(channels),
    )


def _separable(kernel: int) -> Callable[[int, int], Layers]:
    """Two depthwise-separable convolutions; the first carries the stride."""

    def layers(channels: int, stride: int) -> Layers:
        first = _depthwise_separable(kernel, channels, stride)
        return first + _depthwise_separable(kernel, channels, 1)

    return layers


def _dilated(kernel: int) -> Callable[[int, int], Layers]:
    """One depthwise-separable convolution with dilation 2."""
    return lambda channels, stride: _depthwise_separable(kernel, channels, stride, dilation=2)


def _row_column(kernel: int) -> Callable[[int, int], Layers]:
    """A 1xk convolution that strides along the width, then a kx1 convolution that strides along the height."""

    def layers(channels: int, stride: int) -> Layers:
        return (
            Relu(),
            Conv(channels, channels, (1, kernel), (1, stride)),
            Conv(channels, channels, (kernel, 1), (stride, 1)),
            BatchNorm(channels),
        )

    return layers


def _convolution(kernel: int) -> Callable[[int, int], Layers]:
    """A plain convolution, with its ReLU before and its batch norm behind."""

    def layers(channels: int, stride: int) -> Layers:
        return (Relu(), Conv(channels, channels, (kernel, kernel), (stride, stride)), BatchNorm(channels))

    return layers


OPERATORS: Mapping[str, Operator] = {
    operator.name: operator
    for operator in (
        Operator(name="none", label="none", layers=_zero),
        Operator(name="max_pool_3x3", label="max 3×3", layers=_max_pool),
        Operator(name="avg_pool_3x3", label="avg 3×3", layers=_avg_pool),
        Operator(name="skip_connect", label="skip", layers=_skip),
        Operator(name="sep_conv_3x3", label="sep 3×3", layers=_separable(3)),
        Operator(name="sep_conv_5x5", label="sep 5×5", layers=_separable(5)),
        Operator(name="dil_conv_3x3", label="dil 3×3", layers=_dilated(3)),
        Operator(name="dil_conv_5x5", label="dil 5×5", layers=_dilated(5)),
        Operator(name="sep_conv_7x7", label="sep 7×7", layers=_separable(7)),
        Operator(name="conv_7x1_1x7", label="7×1 1×7", layers=_row_column(7)),
        Operator(name="conv_3x1_1x3", label="3×1 1×3", layers=_row_column(3)),
        Operator(name="conv_1x1", label="conv 1×1", layers=_convolution(1)),
        Operator(name="conv_3x3", label="conv 3×3", layers=_convolution(3)),
        Operator(name="nor_conv_1x1", label="conv 1×1", layers=_convolution(1)),
        Operator(name="nor_conv_3x3", label="conv 3×3", layers=_convolution(3)),
    )
}

FOLDABLE = ("skip_connect",)
"""The operators of a super-net whose cells are linear on their channels, and so can be folded into one matrix."""


def operator(name: str, valid: tuple[str, ...] | None = None) -> Operator:
    """The operator called `name`; raises `SpaceError` where it is none of `valid` (default: all)."""
    names = tuple(OPERATORS) if valid is None else valid
    if name not in names:
        raise SpaceError(unknown("operator", name, names))
    return OPERATORS[name]
