"""Feature maps that are described and never stored, and what can be done with them: the layers between folded cells.

The wide output of a cell is a `LazyMap` of its narrow inputs. Maps are (N, H, W, C) here.
"""

from collections.abc import Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from ftso_cli.nn.folded_algebra import Mixing
from ftso_cli.nn.folded_moments import Moments, moments
from ftso_cli.nn.folded_pointwise import read


class LazyMap(NamedTuple):
    """The map A (scale · x + shift) at every pixel, for x = the pieces side by side; without `mixing`, A = 1."""

    pieces: tuple[Moments, ...]
    scale: Tensor
    shift: Tensor
    mixing: Mixing | None = None

    def convolved(self, kernels: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """What 1x1 convolutions with these kernels (O, C) behind a ReLU yield, (N, H, W, O) each."""
        return self._read([piece.x for piece in self.pieces], kernels)

    def reduced(self, even: Tensor, odd: Tensor) -> tuple[Tensor, Tensor]:
        """The halves of a `FactorizedReduce` behind a ReLU, (N, (H + 1) // 2, (W + 1) // 2, O) each.

        It can be read of maps that have corners of all channels. A missing odd pixel is 0.
        """
        (first,) = self._read([piece.even for piece in self.pieces], [even])
        (second,) = self._read([piece.odd for piece in self.pieces], [odd])
        lines, columns = (big - small for big, small in zip(first.shape[1:3], second.shape[1:3], strict=True))
        return first, functional.pad(second, (0, 0, 0, columns, 0, lines)) if lines or columns else second

    def _read(self, pieces: Sequence[Tensor], kernels: Sequence[Tensor]) -> tuple[Tensor, ...]:
        if self.mixing is None:
            spans = [(at, 0, piece.shape[3]) for at, piece in enumerate(pieces)]
            return read(pieces, spans, self.scale, self.shift, (), kernels)
        columns, rows = self.mixing.columns.to(self.scale.device), self.mixing.rows.to(self.scale.device)
        return read(
            pieces,
            self.mixing.spans,
            self.scale.index_select(0, columns),
            self.shift.index_select(0, columns),
            self.mixing.blocks,
            [kernel.index_select(1, rows) for kernel in kernels],
        )

    def mean(self) -> Tensor:
        """The mean over all pixels, (N, C)."""
        x = torch.cat([piece.x.mean((1, 2)) for piece in self.pieces], 1) * self.scale + self.shift
        return x if self.mixing is None else self.mixing.applied(x)

    def stored(self) -> Tensor:
        """The map itself, (N, C, H, W), for a map without mixing."""
        return (torch.cat([piece.x for piece in self.pieces], 3) * self.scale + self.shift).permute(0, 3, 1, 2)


def side_by_side(maps: Sequence[LazyMap], mixing: Mixing | None = None) -> LazyMap:
    """The maps' channels next to each other, then mixed; the maps themselves have no mixing."""
    return LazyMap(
        pieces=tuple(piece for each in maps for piece in each.pieces),
        scale=torch.cat([each.scale for each in maps]),
        shift=torch.cat([each.shift for each in maps]),
        mixing=mixing,
    )


def normalised(
    norms: Sequence[nn.BatchNorm2d], pieces: Sequence[Tensor], places: Tensor, *, corners: int = 0, pool: bool = False
) -> LazyMap:
    """Batch norm of the pieces, as a scale and a shift of each channel.

    `places` says which channel of the norms side by side each channel of the pieces side by side is. In training, the
    running statistics move as usual. `corners` and `pool` say what strided layers will read; see `Moments`.
    """
    places = places.to(pieces[0].device)
    measured = tuple(moments(piece, corners=corners, pool=pool) for piece in pieces)
    if norms[0].training:
        mean, variance = (torch.cat([piece[at] for piece in measured]) for at in (1, 2))
        _track(norms, mean, variance, places, pieces[0][..., 0].numel())
    else:
        mean = torch.cat([cast(Tensor, norm.running_mean) for norm in norms])[places]
        variance = torch.cat([cast(Tensor, norm.running_var) for norm in norms])[places]
    scale = (variance + norms[0].eps).rsqrt()
    shift = -mean * scale
    if norms[0].affine:
        weight, bias = (torch.cat(parts)[places] for parts in zip(*((n.weight, n.bias) for n in norms), strict=True))
        scale, shift = scale * weight, shift * weight + bias
    return LazyMap(measured, scale, shift)


@torch.no_grad()
def _track(norms: Sequence[nn.BatchNorm2d], mean: Tensor, variance: Tensor, places: Tensor, pixels: int) -> None:
    """Moves the running statistics of the norms; the running variance is the unbiased one, as in torch."""
    if pixels < 2:
        raise ValueError("batch norm needs more than one value per channel in training")
    widths = [norm.num_features for norm in norms]
    unbiased = variance * (pixels / (pixels - 1))
    means, variances = (
        torch.split(torch.empty_like(moment).index_copy_(0, places, moment), widths) for moment in (mean, unbiased)
    )
    for norm, new_mean, new_variance in zip(norms, means, variances, strict=True):
        cast(Tensor, norm.running_mean).lerp_(new_mean, norm.momentum or 0.0)
        cast(Tensor, norm.running_var).lerp_(new_variance, norm.momentum or 0.0)
        cast(Tensor, norm.num_batches_tracked).add_(1)
