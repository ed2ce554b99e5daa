"""Two pointwise layers in one, over the pixels of feature maps, in blocks of rows that stay in the processor's cache.

Feature maps are (N, H, W, C) here, so that a 1x1 convolution is a product with a matrix of rows, one row a pixel. The
wide map between two products is never stored: the backward pass computes it anew, block by block.
"""

import math
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ftso_cli.nn.batch_moments import moments

BLOCK_BYTES = 1 << 23
"""The bytes of a block: the level-2 caches of two cores. Other devices take everything as one block."""

Span = tuple[int, int, int]
"""Neighbouring channels of one of several maps: which map, from, to."""


class Layout(NamedTuple):
    """The channels that a block-diagonal matrix takes, and its blocks."""

    spans: tuple[Span, ...]
    """The parts of the maps to put side by side."""
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


def mix_and_convolve(
    pieces: Sequence[Tensor], kernels: Sequence[Tensor], mixing: tuple[Tensor, Tensor, Layout] | None = None
) -> list[Convolved]:
    """Mixes channels, cuts at 0 and convolves: relu(A (x - c)) K_i at every pixel, for each kernel K_i.

    `pieces` are maps (N, H, W, c), and x their channels side by side, C in all; the kernels are (O_i, M). `mixing` is
    A (M, C), c (C) and where A has its blocks; without, A = 1 and c = 0. The M channels between are not stored.
    Gradients are computed only for inputs that require them, and can be differentiated again.
    """
    size = pieces[0].shape[:3]
    rows = [piece.reshape(-1, piece.shape[3]) for piece in pieces]
    matrix, centre, layout = mixing or (None, None, _whole(rows))
    *outputs, mean, variance = _Read.apply(matrix, centre, layout, len(rows), *rows, *kernels)
    heights = [len(kernel) for kernel in kernels]
    maps = (output.view(*size, output.shape[1]) for output in outputs)
    return [
        Convolved(*part) for part in zip(maps, torch.split(mean, heights), torch.split(variance, heights), strict=True)
    ]


def _whole(pieces: Sequence[Tensor]) -> Layout:
    return Layout(tuple((at, 0, piece.shape[1]) for at, piece in enumerate(pieces)), (), ())


class _Read(torch.autograd.Function):
    """`mix_and_convolve` of rows (rows, c); the mean and the variance are those of all outputs side by side."""

    @staticmethod
    def forward(
        ctx: Any, matrix: Tensor | None, centre: Tensor | None, layout: Layout, count: int, *tensors: Tensor
    ) -> tuple[Tensor, ...]:
        pieces, kernels = tensors[:count], tensors[count:]
        kernel = torch.cat(kernels)
        mixing = _Mixing(matrix, centre, layout, pieces, _rows_in_a_block(pieces, kernel))
        y = kernel.new_empty(len(pieces[0]), len(kernel))
        transposed = kernel.t()
        for at, rows in enumerate(torch.split(y, mixing.step)):
            torch.mm(mixing.active(mixing.centred(at)), transposed, out=rows)
        mean, variance = moments(y)
        ctx.layout, ctx.count = layout, count
        ctx.save_for_backward(matrix, centre, y, mean, *tensors)
        return *torch.split(y, [len(kernel) for kernel in kernels], 1), mean, variance

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        matrix, centre, y, mean, *tensors = ctx.saved_tensors
        needs = ctx.needs_input_grad
        if torch.is_grad_enabled():
            found = _differentiable((matrix, centre, *tensors), ctx.layout, ctx.count, gradients)
            return found[0], found[1], None, None, *found[2:]
        pieces, kernels = tensors[: ctx.count], tensors[ctx.count :]
        wanted = _Wanted(needs[0], needs[1], any(needs[4 : 4 + ctx.count]), any(needs[4 + ctx.count :]))
        kernel = torch.cat(kernels)
        mixing = _Mixing(matrix, centre, ctx.layout, pieces, _rows_in_a_block(pieces, kernel))
        sums = _Backward(mixing, pieces, kernel, wanted)
        *g_outputs, g_mean, g_variance = gradients
        # d mean / dy = 1 / rows and d variance / dy = 2 (y - mean) / rows; a half of one pixel has no rows.
        count = max(len(y), 1)
        slope = g_variance * (2 / count)
        offset = g_mean / count - slope * mean
        parts = [torch.split(part, mixing.step) for part in g_outputs]
        for at, rows in enumerate(torch.split(y, mixing.step)):
            g = _side_by_side([part[at] for part in parts])
            sums.add(at, torch.addcmul(g, rows, slope).add_(offset))
        g_pieces = sums.g_pieces if wanted.pieces else [None] * len(pieces)
        g_kernels = (
            torch.split(sums.g_kernel, [len(each) for each in kernels]) if wanted.kernels else [None] * len(kernels)
        )
        return sums.g_matrix, sums.g_centre, None, None, *g_pieces, *g_kernels


class _Wanted(NamedTuple):
    """The gradients that are asked for."""

    matrix: bool
    centre: bool
    pieces: bool
    kernels: bool


class _Buffer(NamedTuple):
    """A block of rows that is written over again and again, and views of its columns."""

    whole: Tensor
    parts: Sequence[Tensor]
    """The columns of each piece and group, or none."""
    groups: Sequence[Tensor]
    """The columns of each block of the matrix."""


class _Mixing:
    """The map before the cut: A (x - c), of blocks of `step` rows; or x where there is no A.

    Results are overwritten by the next block. All views are made once: on a small net, making them anew for every block
    takes longer than the arithmetic.
    """

    def __init__(
        self, matrix: Tensor | None, centre: Tensor | None, layout: Layout, pieces: Sequence[Tensor], step: int
    ) -> None:
        self.layout, self.step = layout, step
        inputs = _columns(pieces, layout.spans)
        self.widths = [part.shape[1] for part in inputs]
        self.blocks = None if matrix is None else layout.blocks(matrix)
        self.blocks_transposed = None if self.blocks is None else [block.t() for block in self.blocks]
        self.centres = None if centre is None else torch.split(centre, self.widths)
        self.inputs = list(zip(*(torch.split(part, step) for part in inputs), strict=True))
        self._buffers: dict[tuple[str, int], _Buffer] = {}

    def centred(self, at: int) -> Tensor:
        """x - c of the block number `at`, (B, C)."""
        parts = self.inputs[at]
        if self.centres is None:
            return _side_by_side(parts)
        x = self.narrow("x", parts[0])
        for part, centre, out in zip(parts, self.centres, x.parts, strict=True):
            torch.sub(part, centre, out=out)
        return x.whole

    def active(self, x: Tensor) -> Tensor:
        """relu(A x), (B, M), where x is what `centred` gave."""
        if self.blocks_transposed is None:
            return x.relu()
        mixed = self.wide("active", x)
        for block, part, out in zip(self.blocks_transposed, self.narrow("x", x).groups, mixed.groups, strict=True):
            torch.mm(part, block, out=out)
        return mixed.whole.relu_()

    def transposed(self, h: Tensor) -> tuple[Tensor, Sequence[Tensor]]:
        """Aᵀ h, (B, C), as a whole and piece by piece; h is the buffer of that name where there is an A."""
        if self.blocks is None:
            return h, _split(h, self.widths)
        g_x = self.narrow("g_x", h)
        for block, part, out in zip(self.blocks, self.wide("h", h).groups, g_x.groups, strict=True):
            torch.mm(part, block, out=out)
        return g_x.whole, g_x.parts

    def narrow(self, name: str, like: Tensor) -> _Buffer:
        """The buffer of this name with as many rows as `like`, for x or what has its channels."""
        return self._buffer(name, like, self.widths, self.layout.widths)

    def wide(self, name: str, like: Tensor) -> _Buffer:
        """The buffer of this name with as many rows as `like`, for A x or what has its channels."""
        return self._buffer(name, like, (), self.layout.heights)

    def _buffer(self, name: str, like: Tensor, parts: Sequence[int], groups: Sequence[int]) -> _Buffer:
        key = name, len(like)
        if key not in self._buffers:
            whole = like.new_empty(len(like), sum(groups))
            self._buffers[key] = _Buffer(whole, _split(whole, parts) if parts else (), _split(whole, groups))
        return self._buffers[key]


class _Backward:
    """The gradients of a `_Read`, summed up block by block.

    With a the active channels, g the gradient of all outputs side by side and K their kernels: dK = gᵀ a, and
    h = (g K where a > 0) is the gradient in front of the cut; dA = hᵀ (x - c), dx = h A, dc = -Σ dx.
    """

    def __init__(self, mixing: _Mixing, pieces: Sequence[Tensor], kernel: Tensor, wanted: _Wanted) -> None:
        self.mixing, self.kernel, self.wanted = mixing, kernel, wanted
        self.g_kernel = torch.zeros_like(kernel)
        self.g_pieces = [torch.empty_like(piece) for piece in pieces] if wanted.pieces else []
        g_inputs = _columns(self.g_pieces, mixing.layout.spans) if wanted.pieces else []
        self.g_inputs = list(zip(*(torch.split(part, mixing.step) for part in g_inputs), strict=True))
        heights, widths = mixing.layout.heights, mixing.layout.widths
        self.g_matrix = kernel.new_zeros(sum(heights), sum(widths)) if wanted.matrix else None
        self.g_blocks = [] if self.g_matrix is None else mixing.layout.blocks(self.g_matrix)
        self.g_centre = kernel.new_zeros(sum(widths)) if wanted.centre else None

    def add(self, at: int, g: Tensor) -> None:
        """Adds the gradients of the block number `at`, whose outputs have the gradient g."""
        x = self.mixing.centred(at)
        active = self.mixing.active(x)
        if self.wanted.kernels:
            self.g_kernel.addmm_(g.t(), active)
        if self.wanted.matrix or self.wanted.centre or self.wanted.pieces:
            h = torch.mm(g, self.kernel) if self.mixing.blocks is None else self.mixing.wide("h", g).whole
            if self.mixing.blocks is not None:
                torch.mm(g, self.kernel, out=h)
            torch.ops.aten.threshold_backward.grad_input(h, active, 0, grad_input=h)
            self._add_in_front(at, x, h)

    def _add_in_front(self, at: int, x: Tensor, h: Tensor) -> None:
        if self.g_blocks:
            groups = self.mixing.wide("h", h).groups, self.mixing.narrow("x", x).groups
            for block, left, right in zip(self.g_blocks, *groups, strict=True):
                block.addmm_(left.t(), right)
        if self.wanted.pieces or self.g_centre is not None:
            g_x, parts = self.mixing.transposed(h)
            if self.g_centre is not None:
                self.g_centre -= g_x.sum(0)
            if self.wanted.pieces:
                for whole, part in zip(self.g_inputs[at], parts, strict=True):
                    whole.copy_(part)


def _split(x: Tensor, widths: Sequence[int]) -> Sequence[Tensor]:
    return torch.split(x, list(widths), 1)


def _differentiable(
    inputs: Sequence[Tensor | None], layout: Layout, count: int, gradients: Sequence[Tensor]
) -> list[Tensor | None]:
    """The gradients of the inputs by plain operations on all rows, so that they can be differentiated again."""
    matrix, centre = inputs[:2]
    tensors = [tensor for tensor in inputs[2:] if tensor is not None]
    x = torch.cat(_columns(tensors[:count], layout.spans), 1)
    active = (x if matrix is None or centre is None else (x - centre) @ matrix.t()).relu()
    parts = [active @ kernel.t() for kernel in tensors[count:]]
    y = torch.cat(parts, 1)
    outputs = [*parts, y.mean(0), y.var(0, unbiased=False)]
    asked = [tensor for tensor in inputs if tensor is not None and tensor.requires_grad]
    found = iter(torch.autograd.grad(outputs, asked, gradients, create_graph=True))
    return [next(found) if tensor is not None and tensor.requires_grad else None for tensor in inputs]


def _rows_in_a_block(pieces: Sequence[Tensor], kernel: Tensor) -> int:
    """Return how many rows take `BLOCK_BYTES`, with everything computed of them; all rows on other devices."""
    rows = len(pieces[0])
    if kernel.device.type != "cpu":
        return max(1, rows)
    width = sum(piece.shape[1] for piece in pieces) + sum(kernel.shape)
    blocks = math.ceil(rows * width * kernel.element_size() / BLOCK_BYTES)
    return max(1, math.ceil(rows / max(1, blocks)))


def _columns(pieces: Sequence[Tensor], spans: Sequence[Span]) -> list[Tensor]:
    return [pieces[piece][:, start:end] for piece, start, end in spans]


def _side_by_side(parts: Sequence[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(list(parts), 1)
