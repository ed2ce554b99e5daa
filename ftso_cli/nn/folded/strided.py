"""Reads of a feature map by layers at stride 2.

One autograd function does all reads, so that their gradients meet in one buffer: as functions of their own, each would
write a gradient as large as the map, mostly zeros. Feature maps are (N, H, W, C).
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

ALL_CHANNELS = 1 << 30
"""A width of corners that means all channels."""


class StridedReads(NamedTuple):
    """A map and what is read of it; None what isn't."""

    x: Tensor
    """The map itself, to be used from here on in its place."""
    even: Tensor | None = None
    """The first `corners` channels at even rows and columns, (N, (H + 1) // 2, (W + 1) // 2, corners)."""
    odd: Tensor | None = None
    """The same at odd rows and columns, (N, H // 2, W // 2, corners)."""
    pooled: Tensor | None = None
    """The other channels max-pooled 2x2, (N, (H + 1) // 2, (W + 1) // 2, C - corners)."""


def strided_reads(x: Tensor, corners: int) -> StridedReads:
    """Reads x (N, H, W, C) with stride 2; nothing where there are no `corners`. It can be differentiated twice."""
    return StridedReads(*_StridedReads.apply(x, min(corners, x.shape[3]))) if corners else StridedReads(x)


class _StridedReads(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, corners: int) -> tuple[Tensor, ...]:
        even, odd, passing = _views(x, corners)
        pooled, places = _pool(passing)
        ctx.save_for_backward(x, places)
        ctx.corners = corners
        ctx.set_materialize_grads(False)
        return x, even.contiguous(), odd.contiguous(), pooled

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, None]:
        x, places = ctx.saved_tensors
        if torch.is_grad_enabled():
            return _differentiable(x, ctx.corners, gradients), None
        g_x, *g_corners, g_pooled = gradients
        g = torch.zeros_like(x) if g_x is None else g_x.clone()
        *corners, passing = _views(g, ctx.corners)
        for corner, g_corner in zip(corners, g_corners, strict=True):
            if g_corner is not None:
                corner += g_corner
        if g_pooled is not None and g_pooled.shape[3]:
            passing += _unpool(g_pooled, x[..., ctx.corners :], places)
        return g, None


def _views(x: Tensor, corners: int) -> tuple[Tensor, Tensor, Tensor]:
    return x[:, ::2, ::2, :corners], x[:, 1::2, 1::2, :corners], x[..., corners:]


def _pool(x: Tensor) -> tuple[Tensor, Tensor]:
    """2x2 maxima, and their places; there may be no channels."""
    if not x.shape[3]:
        return x.clone(), x.clone()
    pooled, places = functional.max_pool2d(x.permute(0, 3, 1, 2), 2, ceil_mode=True, return_indices=True)
    return pooled.permute(0, 2, 3, 1), places


def _unpool(g: Tensor, x: Tensor, places: Tensor) -> Tensor:
    """The gradient of `_pool`."""
    args = (x.permute(0, 3, 1, 2), [2, 2], [2, 2], [0, 0], [1, 1], True, places)
    gradient: Tensor = torch.ops.aten.max_pool2d_with_indices_backward(g.permute(0, 3, 1, 2), *args)
    return gradient.permute(0, 2, 3, 1)


def _differentiable(x: Tensor, corners: int, gradients: Sequence[Tensor | None]) -> Tensor:
    """The gradient of x by plain operations, so that it can be differentiated again."""
    even, odd, passing = _views(x, corners)
    outputs = (x, even, odd, _pool(passing)[0])
    known = [(y, g) for y, g in zip(outputs, gradients, strict=True) if g is not None]
    (gradient,) = torch.autograd.grad([y for y, _ in known], x, [g for _, g in known], create_graph=True)
    return gradient
