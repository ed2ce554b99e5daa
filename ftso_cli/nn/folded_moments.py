"""The moments of a feature map for batch norm, and all other reads of the map that are not pointwise.

They are one autograd function, so that the gradients of all reads meet in one buffer: as functions of their own, each
would write a gradient as large as the map, mostly zeros. Feature maps are (N, H, W, C).
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from ftso_cli.nn.blocks import shared

ALL_CHANNELS = 1 << 30
"""As many corners as there are channels."""


class Moments(NamedTuple):
    """A map and what is read of it."""

    x: Tensor
    """The map itself, to be used from here on in its place."""
    mean: Tensor
    """Of each channel, (C)."""
    variance: Tensor
    """Of each channel, (C), biased."""
    even: Tensor
    """The first `corners` channels at even rows and columns, (N, (H + 1) // 2, (W + 1) // 2, corners)."""
    odd: Tensor
    """The same at odd rows and columns, (N, H // 2, W // 2, corners)."""
    pooled: Tensor
    """The other channels max-pooled 2x2, (N, (H + 1) // 2, (W + 1) // 2, C - corners); no channels without `pool`."""


def moments(x: Tensor, *, corners: int = 0, pool: bool = False) -> Moments:
    """The moments of x (N, H, W, C) and what strided layers read of it. It can be differentiated twice."""
    return Moments(*_Moments.apply(x, corners, pool))


class _Moments(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, corners: int, pool: bool) -> tuple[Tensor, ...]:
        rows = x.reshape(-1, x.shape[3])
        mean, variance = _of_rows(rows)
        passing = x[..., corners:] if pool else x[..., :0]
        pooled, places = _pool(passing)
        ctx.save_for_backward(x, mean, places)
        ctx.corners, ctx.pool = corners, pool
        ctx.set_materialize_grads(False)
        return x, mean, variance, *(corner.contiguous() for corner in _corners(x, corners)), pooled

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, None, None]:
        x, mean, places = ctx.saved_tensors
        if torch.is_grad_enabled():
            return _differentiable(x, gradients, ctx.corners, ctx.pool), None, None
        g_x, g_mean, g_variance, g_even, g_odd, g_pooled = gradients
        gradient = _through_moments(x, mean, g_x, g_mean, g_variance)
        for corner, g_corner in zip(_corners(gradient, ctx.corners), (g_even, g_odd), strict=True):
            if g_corner is not None:
                corner += g_corner
        if g_pooled is not None and g_pooled.shape[3]:
            gradient[..., ctx.corners :] += _unpool(g_pooled, x[..., ctx.corners :], places)
        return gradient, None, None


def _of_rows(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and biased variance of each channel, in two passes."""
    width = 2 * rows.shape[1]
    mean = torch.stack(shared(lambda blocks: _total(rows[block].sum(0) for block in blocks), rows, width)).sum(0)
    mean /= len(rows)

    def squares(blocks: Iterator[slice]) -> Tensor:
        return _total((rows[block] - mean).square_().sum(0) for block in blocks)

    return mean, torch.stack(shared(squares, rows, width)).sum(0) / len(rows)


def _total(terms: Iterator[Tensor]) -> Tensor:
    total = next(terms)
    for term in terms:
        total += term
    return total


def _through_moments(
    x: Tensor, mean: Tensor, g_x: Tensor | None, g_mean: Tensor | None, g_variance: Tensor | None
) -> Tensor:
    """The gradient of x by way of x itself and of its moments.

    d mean / dx = 1 / rows and d variance / dx = 2 (x - mean) / rows.
    """
    if g_mean is None and g_variance is None:
        return torch.zeros_like(x) if g_x is None else g_x.clone()
    rows = x.reshape(-1, x.shape[3])
    zero = torch.zeros_like(mean)
    slope = (zero if g_variance is None else g_variance) * (2 / len(rows))
    offset = (zero if g_mean is None else g_mean) / len(rows) - slope * mean
    given = None if g_x is None else g_x.reshape(rows.shape)
    gradient = torch.empty_like(rows)

    def add(blocks: Iterator[slice]) -> None:
        for block in blocks:
            torch.addcmul(offset, rows[block], slope, out=gradient[block])
            if given is not None:
                gradient[block] += given[block]

    shared(add, rows, 3 * x.shape[3])
    return gradient.view(x.shape)


def _differentiable(x: Tensor, gradients: Sequence[Tensor | None], corners: int, pool: bool) -> Tensor:
    """The gradient of x by plain operations, so that it can be differentiated again."""
    outputs = (
        x.clone(),
        x.mean((0, 1, 2)),
        x.var((0, 1, 2), unbiased=False),
        *_corners(x, corners),
        _pool(x[..., corners:] if pool else x[..., :0])[0],
    )
    known = [(y, g) for y, g in zip(outputs, gradients, strict=True) if g is not None and y.requires_grad]
    (gradient,) = torch.autograd.grad([y for y, _ in known], x, [g for _, g in known], create_graph=True)
    return gradient


def _corners(x: Tensor, channels: int) -> tuple[Tensor, Tensor]:
    return x[:, ::2, ::2, :channels], x[:, 1::2, 1::2, :channels]


def _pool(x: Tensor) -> tuple[Tensor, Tensor]:
    """2x2 maxima and their places; channels may be none."""
    if not x.shape[3]:
        return x, x
    pooled, places = functional.max_pool2d(x.permute(0, 3, 1, 2), 2, ceil_mode=True, return_indices=True)
    return pooled.permute(0, 2, 3, 1), places


def _unpool(g: Tensor, x: Tensor, places: Tensor) -> Tensor:
    """The gradient of `_pool`."""
    args = (x.permute(0, 3, 1, 2), [2, 2], [2, 2], [0, 0], [1, 1], True, places)
    gradient: Tensor = torch.ops.aten.max_pool2d_with_indices_backward(g.permute(0, 3, 1, 2), *args)
    return gradient.permute(0, 2, 3, 1)
