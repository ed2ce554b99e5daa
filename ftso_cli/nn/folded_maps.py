"""Feature maps that are described and never stored, and what can be done with them: the layers between folded cells.

The wide output of a cell is a `LazyMap` of its narrow inputs. Maps are (N, H, W, C) here.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from ftso_cli.nn.folded_moments import Moments, moments
from ftso_cli.nn.folded_pointwise import read
from ftso_cli.nn.layers import FactorizedReduce


class LazyMap(NamedTuple):
    """The map (scale · x + shift) Aᵀ at every pixel, for x = the pieces side by side; A = None is the identity."""

    pieces: tuple[Moments, ...]
    scale: Tensor
    shift: Tensor
    matrix: Tensor | None = None

    def convolved(self, kernels: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """What 1x1 convolutions with these kernels (O, C, 1, 1) behind a ReLU yield, (N, H, W, O) each."""
        return self._read([piece.x for piece in self.pieces], kernels)

    def reduced(self, even: Tensor, odd: Tensor) -> tuple[Tensor, Tensor]:
        """The halves of a `FactorizedReduce` behind a ReLU, (N, (H + 1) // 2, (W + 1) // 2, O) each.

        It can be read of maps that have corners of all channels.
        """
        (first,) = self._read([piece.even for piece in self.pieces], [even])
        (second,) = self._read([piece.odd for piece in self.pieces], [odd])
        lines, columns = (big - small for big, small in zip(first.shape[1:3], second.shape[1:3], strict=True))
        return first, functional.pad(second, (0, 0, 0, columns, 0, lines)) if lines or columns else second

    def _read(self, pieces: Sequence[Tensor], kernels: Sequence[Tensor]) -> tuple[Tensor, ...]:
        return read(pieces, self.scale, self.shift, self.matrix, [kernel.flatten(1) for kernel in kernels])

    def mean(self) -> Tensor:
        """The mean over all pixels, (N, C)."""
        x = torch.cat([piece.x.mean((1, 2)) for piece in self.pieces], 1)
        normalised = x * self.scale + self.shift
        return normalised if self.matrix is None else normalised @ self.matrix.t()

    def stored(self) -> Tensor:
        """The map itself, (N, C, H, W)."""
        x = torch.cat([piece.x for piece in self.pieces], 3) * self.scale + self.shift
        return (x if self.matrix is None else x @ self.matrix.t()).permute(0, 3, 1, 2)


def side_by_side(maps: Sequence[LazyMap], matrix: Tensor | None = None) -> LazyMap:
    """The maps' channels next to each other, mixed by `matrix`; the maps themselves have none."""
    return LazyMap(
        pieces=tuple(piece for each in maps for piece in each.pieces),
        scale=torch.cat([each.scale for each in maps]),
        shift=torch.cat([each.shift for each in maps]),
        matrix=matrix,
    )


def normalised(
    norms: Sequence[nn.BatchNorm2d], pieces: Sequence[Tensor], *, corners: int = 0, pool: bool = False
) -> LazyMap:
    """Batch norm of the pieces, which hold equal parts of every norm's channels, as scale and shift of each channel.

    With one norm, the pieces are its channels side by side. With several, each piece has first some channels of the
    first norm, then as many of the second, and so on. In training, the running statistics move as usual. `corners`
    and `pool` say what strided layers will read; see `Moments`.
    """
    measured = tuple(moments(piece, corners=corners, pool=pool) for piece in pieces)
    widths = [piece.shape[3] // len(norms) for piece in pieces]
    if norms[0].training:
        means, variances = [piece.mean for piece in measured], [piece.variance for piece in measured]
        _track(norms, means, variances, pieces[0][..., 0].numel())
        mean, variance = torch.cat(means), torch.cat(variances)
    else:
        mean = _by_piece([norm.running_mean for norm in norms], widths)
        variance = _by_piece([norm.running_var for norm in norms], widths)
    scale = (variance + norms[0].eps).rsqrt()
    shift = -mean * scale
    if norms[0].affine:
        weight = _by_piece([norm.weight for norm in norms], widths)
        scale, shift = scale * weight, shift * weight + _by_piece([norm.bias for norm in norms], widths)
    return LazyMap(measured, scale, shift)


def _by_piece(vectors: Sequence[Tensor | None], widths: Sequence[int]) -> Tensor:
    """A vector of every norm, in the order of the pieces' channels."""
    parts = zip(*(torch.split(vector, list(widths)) for vector in vectors if vector is not None), strict=True)
    return torch.cat([torch.cat(part) for part in parts])


@torch.no_grad()
def _track(norms: Sequence[nn.BatchNorm2d], means: Sequence[Tensor], variances: Sequence[Tensor], pixels: int) -> None:
    """Moves the running statistics of the norms; the running variance is the unbiased one, as in torch."""
    if pixels < 2:
        raise ValueError("batch norm needs more than one value per channel in training")
    for at, norm in enumerate(norms):
        mean, variance = (
            torch.cat([moment.view(len(norms), -1)[at] for moment in piecewise]) for piecewise in (means, variances)
        )
        assert norm.running_mean is not None and norm.running_var is not None and norm.num_batches_tracked is not None
        norm.running_mean.lerp_(mean, norm.momentum or 0.0)
        norm.running_var.lerp_(variance * (pixels / (pixels - 1)), norm.momentum or 0.0)
        norm.num_batches_tracked += 1


def strided_skips(
    x: LazyMap, reduces: Sequence[tuple[FactorizedReduce, nn.BatchNorm2d]], active: int, *, corners: int
) -> LazyMap:
    """The features that all strided skips from one input of a reduction cell need, with these `corners`.

    Side by side: the even halves of all factorized reduces of the `active` channels, their odd halves, and the other
    channels pooled. Max-pooling commutes with batch norm, which never reverses the order of values. x is one piece,
    with the corners of its active channels and the others pooled.
    """
    (piece,) = x.pieces
    even = torch.cat([reduce.even.weight for reduce, _ in reduces])
    odd = torch.cat([reduce.odd.weight for reduce, _ in reduces])
    head = LazyMap((piece,), x.scale[:active], x.shift[:active])
    halves = normalised([norm for _, norm in reduces], head.reduced(even, odd), corners=corners)
    if not piece.pooled.shape[3]:
        return halves
    passing = LazyMap((moments(piece.pooled, corners=corners),), x.scale[active:], x.shift[active:])
    return side_by_side([halves, passing])
