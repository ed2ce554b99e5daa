"""Feature maps that are described and never stored, and what can be done with them: the layers between folded cells.

The wide output of a cell is a `LazyMap` of its narrow inputs. Maps are (N, H, W, C) here.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from ftso_cli.nn.folded_pointwise import moments, read
from ftso_cli.nn.layers import FactorizedReduce


class LazyMap(NamedTuple):
    """The map (scale · x + shift) Aᵀ at every pixel, for x = the pieces side by side; A = None is the identity."""

    pieces: tuple[Tensor, ...]
    scale: Tensor
    shift: Tensor
    matrix: Tensor | None = None

    def convolved(self, kernels: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """What 1x1 convolutions with these kernels (O, C, 1, 1) behind a ReLU yield, (N, H, W, O) each."""
        return read(self.pieces, self.scale, self.shift, self.matrix, [kernel.flatten(1) for kernel in kernels])

    def reduced(self, even: Tensor, odd: Tensor) -> tuple[Tensor, Tensor]:
        """The halves of a `FactorizedReduce` behind a ReLU, (N, (H + 1) // 2, (W + 1) // 2, O) each."""
        height, width = self.pieces[0].shape[1:3]
        (first,) = self._replace(pieces=tuple(x[:, ::2, ::2] for x in self.pieces)).convolved([even])
        (second,) = self._replace(pieces=tuple(x[:, 1::2, 1::2] for x in self.pieces)).convolved([odd])
        return first, functional.pad(second, (0, 0, 0, width % 2, 0, height % 2))

    def mean(self) -> Tensor:
        """The mean over all pixels, (N, C)."""
        x = torch.cat([piece.mean((1, 2)) for piece in self.pieces], 1)
        normalised = x * self.scale + self.shift
        return normalised if self.matrix is None else normalised @ self.matrix.t()

    def stored(self) -> Tensor:
        """The map itself, (N, C, H, W)."""
        x = torch.cat(self.pieces, 3) * self.scale + self.shift
        return (x if self.matrix is None else x @ self.matrix.t()).permute(0, 3, 1, 2)


def side_by_side(maps: Sequence[LazyMap], matrix: Tensor) -> LazyMap:
    """The maps' channels next to each other, mixed by `matrix`; the maps themselves have none."""
    return LazyMap(
        pieces=tuple(piece for each in maps for piece in each.pieces),
        scale=torch.cat([each.scale for each in maps]),
        shift=torch.cat([each.shift for each in maps]),
        matrix=matrix,
    )


def normalised(norms: Sequence[nn.BatchNorm2d], pieces: Sequence[Tensor]) -> LazyMap:
    """Batch norm of the pieces, which holds equal parts of every norm's channels, as scale and shift of each channel.

    With one norm, the pieces are its channels side by side. With several, each piece has first some channels of the
    first norm, then as many of the second, and so on. In training, the running statistics move as usual.
    """
    widths = [piece.shape[3] // len(norms) for piece in pieces]
    if norms[0].training:
        pieces, means, variances = zip(*(moments(piece) for piece in pieces), strict=True)
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
    return LazyMap(tuple(pieces), scale, shift)


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


def strided_skips(x: LazyMap, reduces: Sequence[tuple[FactorizedReduce, nn.BatchNorm2d]], active: int) -> LazyMap:
    """The features that all strided skips from one input of a reduction cell need.

    Side by side: the even halves of all factorized reduces of the `active` channels, their odd halves, and the other
    channels pooled. Max-pooling commutes with batch norm, which never reverses the order of values.
    """
    whole = x.pieces[0] if len(x.pieces) == 1 else torch.cat(x.pieces, 3)
    head = LazyMap((whole[..., :active],), x.scale[:active], x.shift[:active])
    even = torch.cat([reduce.even.weight for reduce, _ in reduces])
    odd = torch.cat([reduce.odd.weight for reduce, _ in reduces])
    halves = normalised([norm for _, norm in reduces], head.reduced(even, odd))
    if active == whole.shape[3]:
        return halves
    passing = functional.max_pool2d(whole[..., active:].permute(0, 3, 1, 2), 2, ceil_mode=True).permute(0, 2, 3, 1)
    return LazyMap(
        (*halves.pieces, passing),
        torch.cat([halves.scale, x.scale[active:]]),
        torch.cat([halves.shift, x.shift[active:]]),
    )
