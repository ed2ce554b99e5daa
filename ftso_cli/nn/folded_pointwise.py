"""Two pointwise layers in one, over the pixels of feature maps, in blocks of rows that stay in the processor's cache.

Feature maps are (N, H, W, C) here, so that a 1x1 convolution is a product with a matrix of rows, one row a pixel. The
wide map between two products is never stored: the backward pass computes it anew, block by block.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ftso_cli.nn.blocks import shared

Span = tuple[int, int, int]
"""Neighbouring channels of one of several maps: which map, from, to."""


def read(
    pieces: Sequence[Tensor],
    spans: Sequence[Span],
    scale: Tensor,
    shift: Tensor,
    mixing: Sequence[Tensor],
    kernels: Sequence[Tensor],
) -> tuple[Tensor, ...]:
    """Normalises, mixes channels, cuts at 0 and convolves: y_i = relu(A (scale · x + shift)) K_i at every pixel.

    `pieces` are maps (N, H, W, c); x are their `spans` side by side, C channels in all; `scale` and `shift` are (C);
    `mixing` are the blocks on the diagonal of A (M, C), or none for the identity; the kernels K_i are (O_i, M).
    Returns maps (N, H, W, O_i). The M channels between are not stored. Gradients are computed only for inputs that
    require them, and can be differentiated again.
    """
    size = pieces[0].shape[:3]
    rows = [piece.reshape(-1, piece.shape[3]) for piece in pieces]
    counts = len(rows), len(mixing)
    outputs: tuple[Tensor, ...] = _Read.apply(scale, shift, spans, counts, *rows, *mixing, *kernels)
    return tuple(output.view(*size, output.shape[1]) for output in outputs)


class _Wanted(NamedTuple):
    """Which gradients are asked for."""

    normalisation: bool
    pieces: bool
    mixing: bool
    kernel: bool

    @property
    def x(self) -> bool:
        return self.normalisation or self.pieces


class _Gradients(NamedTuple):
    """The gradients of a layer, and of the rows x it is given; None where none is asked for."""

    scale: Tensor | None = None
    shift: Tensor | None = None
    x: Tensor | None = None
    mixing: tuple[Tensor | None, ...] = ()
    kernel: Tensor | None = None

    def plus(self, other: "_Gradients") -> "_Gradients":
        """The sum over other rows; x is left out."""
        mixing = tuple(_sum(a, b) for a, b in zip(self.mixing, other.mixing, strict=True))
        scale, shift = _sum(self.scale, other.scale), _sum(self.shift, other.shift)
        return _Gradients(scale, shift, None, mixing, _sum(self.kernel, other.kernel))


class _Layer(NamedTuple):
    """What `read` does to rows; the kernels are stacked, (O, M)."""

    scale: Tensor
    shift: Tensor
    mixing: tuple[Tensor, ...]
    kernel: Tensor

    @property
    def width(self) -> int:
        """Numbers that a row takes: before, between and behind the products."""
        return len(self.scale) + sum(self.kernel.shape)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Rows x (B, C) to the normalised rows (B, C) and what passes the cut at 0, (B, M)."""
        normalised = torch.addcmul(self.shift, x, self.scale)
        mixed = _products(normalised, [block.t() for block in self.mixing]) if self.mixing else normalised
        return normalised, mixed.relu_()

    def backward(self, x: Tensor, g: Tensor, wanted: _Wanted) -> _Gradients:
        """Of rows x (B, C) and the gradients g of all outputs, (B, O); operations that can be differentiated."""
        normalised, active = self.forward(x)
        gradients = _Gradients(mixing=(None,) * len(self.mixing), kernel=g.t() @ active if wanted.kernel else None)
        if wanted.mixing or wanted.x:
            g_mixed = torch.ops.aten.threshold_backward(g @ self.kernel, active, 0)
        if wanted.mixing:
            gradients = gradients._replace(mixing=self._mixing_backward(normalised, g_mixed))
        if wanted.x:
            g_normalised = _products(g_mixed, self.mixing) if self.mixing else g_mixed
            gradients = gradients._replace(x=g_normalised * self.scale)
        if wanted.normalisation:
            gradients = gradients._replace(scale=(g_normalised * x).sum(0), shift=g_normalised.sum(0))
        return gradients

    def _mixing_backward(self, normalised: Tensor, g_mixed: Tensor) -> tuple[Tensor, ...]:
        rows = torch.split(g_mixed, [len(block) for block in self.mixing], 1)
        columns = torch.split(normalised, [block.shape[1] for block in self.mixing], 1)
        return tuple(g.t() @ x for g, x in zip(rows, columns, strict=True))


class _Read(torch.autograd.Function):
    """`read` of rows (rows, c)."""

    @staticmethod
    def forward(
        ctx: Any, scale: Tensor, shift: Tensor, spans: Sequence[Span], counts: tuple[int, int], *tensors: Tensor
    ) -> tuple[Tensor, ...]:
        ctx.spans, ctx.counts = spans, counts
        ctx.save_for_backward(scale, shift, *tensors)
        pieces, mixing, kernels = _sorted(tensors, counts)
        layer = _Layer(scale, shift, mixing, torch.cat(kernels))
        outputs = tuple(scale.new_empty(len(pieces[0]), len(kernel)) for kernel in kernels)

        inputs = _columns(pieces, spans)

        def forward(blocks: Iterator[slice]) -> None:
            for rows in blocks:
                _, active = layer.forward(_side_by_side(inputs, rows))
                for output, kernel in zip(outputs, kernels, strict=True):
                    torch.mm(active, kernel.t(), out=output[rows])

        shared(forward, pieces[0], layer.width)
        return outputs

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        scale, shift, *tensors = ctx.saved_tensors
        pieces, mixing, kernels = _sorted(tensors, ctx.counts)
        layer = _Layer(scale, shift, mixing, torch.cat(kernels))
        needs = [any(part) for part in _sorted(ctx.needs_input_grad[4:], ctx.counts)]
        wanted = _Wanted(any(ctx.needs_input_grad[:2]), *needs)
        if torch.is_grad_enabled():
            g = layer.backward(torch.cat(_columns(pieces, ctx.spans), 1), torch.cat(gradients, 1), wanted)
            g_pieces: Sequence[Tensor | None] = _gathered(g.x, ctx.spans, len(pieces))
        else:
            g, g_pieces = _blockwise(layer, pieces, ctx.spans, gradients, wanted)
        g_kernels = (
            [None] * len(kernels) if g.kernel is None else torch.split(g.kernel, [len(kernel) for kernel in kernels])
        )
        return g.scale, g.shift, None, None, *g_pieces, *g.mixing, *g_kernels


def _blockwise(
    layer: _Layer, pieces: Sequence[Tensor], spans: Sequence[Span], gradients: Sequence[Tensor], wanted: _Wanted
) -> tuple[_Gradients, Sequence[Tensor | None]]:
    """The gradients of the layer, summed over all rows, and those of the pieces."""
    g_pieces = [torch.empty_like(piece) for piece in pieces]
    inputs, g_inputs = _columns(pieces, spans), _columns(g_pieces, spans)
    widths = [part.shape[1] for part in inputs]

    def backward(blocks: Iterator[slice]) -> _Gradients:
        total = _Gradients(mixing=(None,) * len(layer.mixing))
        for rows in blocks:
            g = layer.backward(_side_by_side(inputs, rows), _side_by_side(gradients, rows), wanted)
            if g.x is not None and wanted.pieces:
                for whole, part in zip(g_inputs, torch.split(g.x, widths, 1), strict=True):
                    whole[rows] = part
            total = total.plus(g)
        return total

    total, *others = shared(backward, pieces[0], layer.width)
    for other in others:
        total = total.plus(other)
    return total, g_pieces if wanted.pieces else [None] * len(pieces)


def _sorted(tensors: Sequence[Any], counts: tuple[int, int]) -> tuple[tuple[Any, ...], ...]:
    """Pieces, blocks of the mixing and kernels."""
    pieces, mixing = counts
    return tuple(tensors[:pieces]), tuple(tensors[pieces : pieces + mixing]), tuple(tensors[pieces + mixing :])


def _columns(pieces: Sequence[Tensor], spans: Sequence[Span]) -> list[Tensor]:
    return [pieces[piece][:, start:end] for piece, start, end in spans]


def _side_by_side(parts: Sequence[Tensor], rows: slice) -> Tensor:
    return parts[0][rows] if len(parts) == 1 else torch.cat([part[rows] for part in parts], 1)


def _gathered(x: Tensor | None, spans: Sequence[Span], count: int) -> list[Tensor | None]:
    """The columns of every piece, out of the spans side by side."""
    if x is None:
        return [None] * count
    parts = zip(spans, torch.split(x, [end - start for _, start, end in spans], 1), strict=True)
    ordered = sorted(parts, key=lambda part: part[0])
    return [torch.cat([part for (piece, _, _), part in ordered if piece == at], 1) for at in range(count)]


def _products(x: Tensor, blocks: Sequence[Tensor]) -> Tensor:
    """x times the block-diagonal matrix of these blocks, (rows, columns of all blocks)."""
    parts = torch.split(x, [len(block) for block in blocks], 1)
    if torch.is_grad_enabled():
        return torch.cat([part @ block for part, block in zip(parts, blocks, strict=True)], 1)
    widths = [block.shape[1] for block in blocks]
    result = x.new_empty(len(x), sum(widths))
    for part, block, out in zip(parts, blocks, torch.split(result, widths, 1), strict=True):
        torch.mm(part, block, out=out)
    return result


def _sum(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    return b if a is None or b is None else a.add_(b)
