"""Pointwise layers over the pixels of feature maps, in blocks of rows that stay in the processor's cache.

Feature maps are (N, H, W, C) here, so that a 1x1 convolution is a product with a matrix of rows, one row a pixel. The
wide map between two products is never stored: the backward pass computes it anew, block by block.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

BLOCK_BYTES = 1 << 21
"""What one block may take: the level-2 caches of two cores. Other devices take everything as one block."""


def read(
    pieces: Sequence[Tensor], scale: Tensor, shift: Tensor, matrix: Tensor | None, kernels: Sequence[Tensor]
) -> tuple[Tensor, ...]:
    """Normalises, mixes channels, cuts at 0 and convolves: y_i = relu((scale · x + shift) Aᵀ) K_iᵀ at every pixel.

    `pieces` are maps (N, H, W, c) that form x side by side, C channels in all; `scale` and `shift` are (C); `matrix`
    A is (M, C), or None for the identity; the kernels K_i are (O_i, M). Returns maps (N, H, W, O_i). The M channels
    between are not stored. Gradients are computed only for inputs that require them, and can be differentiated again.
    """
    size = pieces[0].shape[:3]
    rows = [piece.reshape(-1, piece.shape[3]) for piece in pieces]
    outputs: tuple[Tensor, ...] = _Read.apply(scale, shift, matrix, len(rows), *rows, *kernels)
    return tuple(output.view(*size, output.shape[1]) for output in outputs)


class _Layer(NamedTuple):
    """What `_Read` applies to each row; the kernels are stacked, (O, M)."""

    scale: Tensor
    shift: Tensor
    matrix: Tensor | None
    kernel: Tensor

    @property
    def width(self) -> int:
        """Numbers that a row takes: before, between and behind the products."""
        return len(self.scale) + sum(self.kernel.shape)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Rows x (B, C) to the normalised rows (B, C) and what passes the cut at 0, (B, M)."""
        normalised = torch.addcmul(self.shift, x, self.scale)
        mixed = normalised if self.matrix is None else normalised @ self.matrix.t()
        return normalised, mixed.relu_()

    def backward(self, x: Tensor, g: Tensor, wanted: "_Wanted") -> "_Gradients":
        """Of rows x (B, C) and the gradients g of all outputs, (B, O); operations that can be differentiated."""
        normalised, active = self.forward(x)
        g_kernel = g.t() @ active if wanted.kernel else None
        if not (wanted.matrix or wanted.x or wanted.normalisation):
            return _Gradients(None, None, None, None, g_kernel)
        g_mixed = torch.ops.aten.threshold_backward(g @ self.kernel, active, 0)
        g_matrix = g_mixed.t() @ normalised if wanted.matrix else None
        if not (wanted.x or wanted.normalisation):
            return _Gradients(None, None, g_matrix, None, g_kernel)
        g_normalised = g_mixed if self.matrix is None else g_mixed @ self.matrix
        g_x = g_normalised * self.scale if wanted.x else None
        if not wanted.normalisation:
            return _Gradients(None, None, g_matrix, g_x, g_kernel)
        return _Gradients((g_normalised * x).sum(0), g_normalised.sum(0), g_matrix, g_x, g_kernel)


class _Wanted(NamedTuple):
    """Which gradients are asked for."""

    normalisation: bool
    matrix: bool
    x: bool
    kernel: bool


class _Gradients(NamedTuple):
    """The gradients of a `_Layer` and of its rows; None where none is asked for."""

    scale: Tensor | None
    shift: Tensor | None
    matrix: Tensor | None
    x: Tensor | None
    kernel: Tensor | None


class _Read(torch.autograd.Function):
    """`read` of rows (rows, c)."""

    @staticmethod
    def forward(
        ctx: Any, scale: Tensor, shift: Tensor, matrix: Tensor | None, count: int, *tensors: Tensor
    ) -> tuple[Tensor, ...]:
        ctx.count = count
        ctx.save_for_backward(scale, shift, matrix, *tensors)
        pieces, kernels = tensors[:count], tensors[count:]
        layer = _Layer(scale, shift, matrix, torch.cat(kernels))
        outputs = tuple(scale.new_empty(len(pieces[0]), len(kernel)) for kernel in kernels)
        for rows in blocks(pieces[0], layer.width):
            _, active = layer.forward(_beside(pieces, rows))
            for output, kernel in zip(outputs, kernels, strict=True):
                torch.mm(active, kernel.t(), out=output[rows])
        return outputs

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        scale, shift, matrix, *tensors = ctx.saved_tensors
        pieces, kernels = tensors[: ctx.count], tensors[ctx.count :]
        needs = ctx.needs_input_grad
        wanted = _Wanted(needs[0] or needs[1], needs[2], any(needs[4 : 4 + ctx.count]), any(needs[4 + ctx.count :]))
        layer = _Layer(scale, shift, matrix, torch.cat(kernels))
        if torch.is_grad_enabled():
            g = layer.backward(torch.cat(pieces, 1), torch.cat(gradients, 1), wanted)
            g_pieces: Sequence[Tensor | None] = _parts(g.x, pieces, 1)
        else:
            g, g_pieces = _blockwise(layer, pieces, gradients, wanted)
        return g.scale, g.shift, g.matrix, None, *g_pieces, *_parts(g.kernel, kernels, 0)


def _blockwise(
    layer: _Layer, pieces: Sequence[Tensor], gradients: Sequence[Tensor], wanted: _Wanted
) -> tuple[_Gradients, Sequence[Tensor | None]]:
    """The gradients of the layer, summed over all rows, and those of the pieces."""
    g_pieces = [torch.empty_like(piece) for piece in pieces] if wanted.x else [None] * len(pieces)
    sums: list[Tensor | None] = [None] * 4
    for rows in blocks(pieces[0], layer.width):
        g = layer.backward(_beside(pieces, rows), _beside(gradients, rows), wanted)
        for g_piece, part in zip(g_pieces, _parts(g.x, pieces, 1), strict=True):
            if g_piece is not None and part is not None:
                g_piece[rows] = part
        for at, term in enumerate((g.scale, g.shift, g.matrix, g.kernel)):
            so_far = sums[at]
            sums[at] = term if so_far is None or term is None else so_far.add_(term)
    return _Gradients(sums[0], sums[1], sums[2], None, sums[3]), g_pieces


def blocks(rows: Tensor, width: int) -> Iterator[slice]:
    """Slices of the rows, each so long that it takes `BLOCK_BYTES` at `width` numbers a row."""
    step = max(1, BLOCK_BYTES // (rows.element_size() * width)) if rows.device.type == "cpu" else max(1, len(rows))
    return (slice(start, start + step) for start in range(0, len(rows), step))


def _beside(tensors: Sequence[Tensor], rows: slice) -> Tensor:
    """These rows of all tensors, side by side."""
    return tensors[0][rows] if len(tensors) == 1 else torch.cat([tensor[rows] for tensor in tensors], 1)


def _parts(whole: Tensor | None, like: Sequence[Tensor], dim: int) -> Sequence[Tensor | None]:
    """`whole` cut along `dim` into parts as large as those of `like`."""
    return [None] * len(like) if whole is None else torch.split(whole, [part.shape[dim] for part in like], dim)
