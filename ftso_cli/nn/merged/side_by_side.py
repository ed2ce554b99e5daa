"""Weight gradients of wide convolutions over small maps, in bfloat16 on a CPU.

oneDNN sums them up image by image, and the few pixels of a small map fill a small part of the processor's tiles: of
256 channels at 4x4 pixels they take six times as long as the convolution. Here the maps of several images lie
side by side as one wide map, with zeros between them. The sums are the same, in another order.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from ftso_cli.nn.merged.training import MergedNetwork

SMALL = 8
"""Pixels in a row of a small map."""

ROW = 128
"""Pixels in a row of maps side by side, about."""

WORTH = 128 * 128
"""Pairs of an input and an output channel from which on it is worth it at `SMALL` pixels; half of them at half."""

WIDE = 256 * 256
"""The same of the widest convolution, from which on a network gains more than the 3 % that `SideBySide` costs."""

_BACKWARD = torch.ops.aten.convolution_backward.default


def backward_mode(network: nn.Module, *, bfloat16: bool) -> AbstractContextManager[object]:
    """Return what a backward pass of a network runs in, `SideBySide` for a merged one of wide convolutions."""
    if bfloat16 and isinstance(network, MergedNetwork) and any(map(_is_wide, network.cells.modules())):
        return SideBySide()  # type: ignore[no-untyped-call]
    return nullcontext()


def _is_wide(layer: nn.Module) -> bool:
    """Return True for a convolution wide enough for `SideBySide`, which leaves those of one pixel alone."""
    return isinstance(layer, nn.Conv2d) and math.prod(layer.weight.shape[:2]) >= WIDE and layer.kernel_size[1] > 1


class SideBySide(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Inside, backward passes compute these gradients with maps side by side, and all others as always."""

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run an operation of PyTorch."""
        packing = _Packing.of(_Arguments(*args)) if func is _BACKWARD else None
        if packing is None:
            return func(*args, **(kwargs or {}))
        g, x, *others, (of_input, _, _) = args
        g_x = func(g, x, *others, (True, False, False))[0] if of_input else None
        return g_x, func(packing.of_output(g), packing.of_input(x), *others, (False, True, False))[1], None


class _Arguments(NamedTuple):
    """The arguments of `convolution_backward`."""

    g: Tensor
    x: Tensor
    weight: Tensor
    bias_sizes: Sequence[int] | None
    stride: Sequence[int]
    padding: Sequence[int]
    dilation: Sequence[int]
    transposed: bool
    output_padding: Sequence[int]
    groups: int
    mask: Sequence[bool]

    @property
    def is_plain(self) -> bool:
        """True for the gradient of a dense kernel without a bias in bfloat16."""
        _, of_weight, of_bias = self.mask
        dense = not self.transposed and self.groups == 1 and self.weight.shape[3] > 1
        return dense and of_weight and not of_bias and self.g.dtype == torch.bfloat16


class _Packing(NamedTuple):
    """Images in a row, and the columns of each of them before a convolution and behind it."""

    images: int
    before: int
    behind: int

    @classmethod
    def of(cls, asked: _Arguments) -> "_Packing | None":
        """Return the packing for a gradient; None where it isn't worth it."""
        width, columns, step, left = asked.g.shape[3], asked.x.shape[3], asked.stride[1], asked.padding[1]
        if not asked.is_plain or width > SMALL or not _is_worth_it(asked.weight, width):
            return None
        reach = asked.dilation[1] * (asked.weight.shape[3] - 1)
        if not 0 <= reach - 2 * left < step:  # The columns of the output are not those of the input by the stride.
            return None
        right = step * (width - 1) + reach - left - (columns - 1)
        behind = -(-(columns + max(left, right)) // step)
        images = math.gcd(len(asked.x), 1 << max(ROW // behind, 1).bit_length() - 1)
        return cls(images, behind * step, behind) if images > 1 else None

    def of_input(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N / images, C, H, images · before)."""
        return _in_rows(x, self.images, self.before)

    def of_output(self, g: Tensor) -> Tensor:
        """(N, C, H, W) to (N / images, C, H, images · behind)."""
        return _in_rows(g, self.images, self.behind)


def _is_worth_it(weight: Tensor, width: int) -> bool:
    return weight.shape[0] * weight.shape[1] * SMALL >= WORTH * width


def _in_rows(x: Tensor, images: int, columns: int) -> Tensor:
    """Maps side by side, each with zeros on its right up to so many columns, channels last."""
    n, channels, height, width = x.shape
    rows = x.new_zeros(n // images, height, images, columns, channels)
    rows[:, :, :, :width] = x.permute(0, 2, 3, 1).view(n // images, images, height, width, channels).transpose(1, 2)
    return rows.view(n // images, height, images * columns, channels).permute(0, 3, 1, 2)
