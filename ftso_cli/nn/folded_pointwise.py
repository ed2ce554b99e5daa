"""Two pointwise layers in one, over the pixels of feature maps, in blocks of rows that stay in the processor's cache.

Feature maps are (N, H, W, C) here, so that a 1x1 convolution is a product with a matrix of rows, one row a pixel. The
wide map between two products is never stored: the backward pass computes it anew, block by block.
"""

from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor

BLOCK_BYTES = 1 << 23
"""What a block may take: the level-2 caches of two cores. Other devices take everything as one block."""

Span = tuple[int, int, int]
"""Neighbouring channels of one of several maps: which map, from, to."""


class Layout(NamedTuple):
    """The channels that a block-diagonal matrix takes, and its blocks."""

    spans: tuple[Span, ...]
    """What of the maps to put side by side."""
    heights: tuple[int, ...]
    """Rows of each block."""
    widths: tuple[int, ...]
    """Columns of each block."""

    def blocks(self, matrix: Tensor) -> list[Tensor]:
        """The blocks on the diagonal."""
        rows, columns = (pairwise([0, *accumulate(sizes)]) for sizes in (self.heights, self.widths))
        return [matrix[top:bottom, left:right] for (top, bottom), (left, right) in zip(rows, columns, strict=True)]


class Convolved(NamedTuple):
    """A map (N, H, W, C) that a 1x1 convolution has yielded, and the mean and biased variance of its channels, (C)."""

    x: Tensor
    mean: Tensor
    variance: Tensor


def read(
    pieces: Sequence[Tensor], kernels: Sequence[Tensor], mixing: tuple[Tensor, Tensor, Layout] | None = None
) -> list[Convolved]:
    """Mixes channels, cuts at 0 and convolves: relu(A x + b) K_i at every pixel, for each kernel K_i.

    `pieces` are maps (N, H, W, c), and x their channels side by side, C in all; the kernels are (O_i, M). `mixing` is
    A (M, C), b (M) and where A has its blocks; without, A = 1 and b = 0. The M channels between are not stored.
    Gradients are computed only for inputs that require them, and can be differentiated again.
    """
    size = pieces[0].shape[:3]
    rows = [piece.reshape(-1, piece.shape[3]) for piece in pieces]
    matrix, bias, layout = mixing or (None, None, _whole(rows))
    *outputs, mean, variance = _Read.apply(matrix, bias, layout, len(rows), *rows, *kernels)
    heights = [len(kernel) for kernel in kernels]
    maps = (output.view(*size, output.shape[1]) for output in outputs)
    return [
        Convolved(*part) for part in zip(maps, torch.split(mean, heights), torch.split(variance, heights), strict=True)
    ]


def _whole(pieces: Sequence[Tensor]) -> Layout:
    return Layout(tuple((at, 0, piece.shape[1]) for at, piece in enumerate(pieces)), (), ())


class _Read(torch.autograd.Function):
    """`read` of rows (rows, c); the mean and the variance are those of all outputs side by side."""

    @staticmethod
    def forward(
        ctx: Any, matrix: Tensor | None, bias: Tensor | None, layout: Layout, count: int, *tensors: Tensor
    ) -> tuple[Tensor, ...]:
        pieces, kernels = tensors[:count], tensors[count:]
        kernel = torch.cat(kernels)
        inputs = _columns(pieces, layout.spans)
        y = kernel.new_empty(len(pieces[0]), len(kernel))
        for rows in _blocks(y, sum(kernel.shape) + sum(part.shape[1] for part in inputs)):
            torch.mm(_active(_side_by_side(inputs, rows), matrix, bias, layout), kernel.t(), out=y[rows])
        mean, variance = _moments(y)
        ctx.layout, ctx.count = layout, count
        ctx.save_for_backward(matrix, bias, y, mean, *tensors)
        return *torch.split(y, [len(kernel) for kernel in kernels], 1), mean, variance

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        matrix, bias, y, mean, *tensors = ctx.saved_tensors
        needs = ctx.needs_input_grad
        if torch.is_grad_enabled():
            found = _differentiable((matrix, bias, *tensors), ctx.layout, ctx.count, gradients)
            return found[0], found[1], None, None, *found[2:]
        pieces, kernels = tensors[: ctx.count], tensors[ctx.count :]
        wanted = _Wanted(any(needs[:2]), any(needs[4 : 4 + ctx.count]), any(needs[4 + ctx.count :]))
        sums = _Backward(matrix, bias, ctx.layout, pieces, torch.cat(kernels), wanted)
        *g_outputs, g_mean, g_variance = gradients
        # d mean / dy = 1 / rows and d variance / dy = 2 (y - mean) / rows.
        slope = g_variance * (2 / len(y))
        offset = g_mean / len(y) - slope * mean
        for rows in _blocks(y, sums.width):
            g = _side_by_side(g_outputs, rows)
            sums.add(rows, torch.addcmul(g, y[rows], slope).add_(offset))
        g_pieces = sums.g_pieces if wanted.pieces else [None] * len(pieces)
        g_kernels = (
            torch.split(sums.g_kernel, [len(each) for each in kernels]) if wanted.kernels else [None] * len(kernels)
        )
        return sums.g_matrix, sums.g_bias, None, None, *g_pieces, *g_kernels


class _Wanted(NamedTuple):
    """Which gradients are asked for."""

    mixing: bool
    pieces: bool
    kernels: bool


class _Backward:
    """The gradients of a `_Read`, summed up block by block.

    With a the active channels, g the gradient of all outputs side by side and K their kernels: dK = gᵀ a, and
    h = (g K where a > 0) is the gradient in front of the cut; dA = hᵀ x, db = Σ h, dx = h A.
    """

    def __init__(
        self,
        matrix: Tensor | None,
        bias: Tensor | None,
        layout: Layout,
        pieces: Sequence[Tensor],
        kernel: Tensor,
        wanted: _Wanted,
    ) -> None:
        self.matrix, self.bias, self.layout, self.kernel, self.wanted = matrix, bias, layout, kernel, wanted
        self.inputs = _columns(pieces, layout.spans)
        self.g_pieces = [torch.empty_like(piece) for piece in pieces] if wanted.pieces else []
        self.g_inputs = _columns(self.g_pieces, layout.spans) if wanted.pieces else []
        self.g_kernel = torch.zeros_like(kernel)
        self.g_matrix = torch.zeros_like(matrix) if matrix is not None and wanted.mixing else None
        self.g_bias = torch.zeros_like(bias) if bias is not None and wanted.mixing else None
        self.widths = [part.shape[1] for part in self.inputs]
        self.width = sum(self.widths) + sum(kernel.shape)

    def add(self, rows: slice, g: Tensor) -> None:
        """Adds the gradients of a block of rows, whose outputs have the gradient g."""
        x = _side_by_side(self.inputs, rows)
        active = _active(x, self.matrix, self.bias, self.layout)
        if self.wanted.kernels:
            self.g_kernel.addmm_(g.t(), active)
        if self.wanted.mixing or self.wanted.pieces:
            h = torch.mm(g, self.kernel)
            torch.ops.aten.threshold_backward.grad_input(h, active, 0, grad_input=h)
            self._add_in_front(rows, x, h)

    def _add_in_front(self, rows: slice, x: Tensor, h: Tensor) -> None:
        if self.g_matrix is not None and self.g_bias is not None:
            self.g_bias += h.sum(0)
            parts = _split(h, self.layout.heights), _split(x, self.layout.widths)
            for block, left, right in zip(self.layout.blocks(self.g_matrix), *parts, strict=True):
                block.addmm_(left.t(), right)
        if self.wanted.pieces:
            g_x = h if self.matrix is None else self._mixing_transposed(self.matrix, h)
            for whole, part in zip(self.g_inputs, _split(g_x, self.widths), strict=True):
                whole[rows] = part

    def _mixing_transposed(self, matrix: Tensor, h: Tensor) -> Tensor:
        g_x = h.new_empty(len(h), matrix.shape[1])
        parts = _split(h, self.layout.heights), _split(g_x, self.layout.widths)
        for block, part, out in zip(self.layout.blocks(matrix), *parts, strict=True):
            torch.mm(part, block, out=out)
        return g_x


def _active(x: Tensor, matrix: Tensor | None, bias: Tensor | None, layout: Layout) -> Tensor:
    """relu(A x + b) of rows x (B, C), (B, M)."""
    if matrix is None or bias is None:
        return x.relu()
    mixed = x.new_empty(len(x), len(bias))
    parts = _split(x, layout.widths), _split(mixed, layout.heights), _split(bias[None], layout.heights)
    for block, part, out, add in zip(layout.blocks(matrix), *parts, strict=True):
        torch.addmm(add, part, block.t(), out=out)
    return mixed.relu_()


def _split(x: Tensor, widths: Sequence[int]) -> Sequence[Tensor]:
    return torch.split(x, list(widths), 1)


def _moments(y: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and biased variance of each column, in two passes."""
    if y.device.type == "cpu" and len(y):
        mean, variance = torch.batch_norm_update_stats(y, None, None, 0.0)
    else:
        variance, mean = torch.var_mean(y, 0, unbiased=False)
    return mean, variance


def _differentiable(
    inputs: Sequence[Tensor | None], layout: Layout, count: int, gradients: Sequence[Tensor]
) -> list[Tensor | None]:
    """The gradients of the inputs by plain operations on all rows, so that they can be differentiated again."""
    matrix, bias = inputs[:2]
    tensors = [tensor for tensor in inputs[2:] if tensor is not None]
    x = torch.cat(_columns(tensors[:count], layout.spans), 1)
    active = (x if matrix is None or bias is None else x @ matrix.t() + bias).relu()
    parts = [active @ kernel.t() for kernel in tensors[count:]]
    y = torch.cat(parts, 1)
    outputs = [*parts, y.mean(0), y.var(0, unbiased=False)]
    asked = [tensor for tensor in inputs if tensor is not None and tensor.requires_grad]
    found = iter(torch.autograd.grad(outputs, asked, gradients, create_graph=True))
    return [next(found) if tensor is not None and tensor.requires_grad else None for tensor in inputs]


def _blocks(rows: Tensor, width: int) -> Iterator[slice]:
    """Slices of the rows, each so long that it takes `BLOCK_BYTES` at `width` numbers a row."""
    step = max(1, BLOCK_BYTES // (rows.element_size() * width)) if rows.device.type == "cpu" else max(1, len(rows))
    return (slice(start, start + step) for start in range(0, len(rows), step))


def _columns(pieces: Sequence[Tensor], spans: Sequence[Span]) -> list[Tensor]:
    return [pieces[piece][:, start:end] for piece, start, end in spans]


def _side_by_side(parts: Sequence[Tensor], rows: slice) -> Tensor:
    return parts[0][rows] if len(parts) == 1 else torch.cat([part[rows] for part in parts], 1)
