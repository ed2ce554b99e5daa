"""Feature maps that are described and never stored, and what can be done with them: the layers between folded cells.

The wide output of a cell is a `LazyMap` of its narrow inputs. Maps are (N, H, W, C) here.
"""

from collections.abc import Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from ftso_cli.nn.batch_moments import keep_running
from ftso_cli.nn.folded.algebra import CellAlgebra
from ftso_cli.nn.folded.pointwise import Convolved, mix_and_convolve
from ftso_cli.nn.folded.strided import StridedReads, strided_reads
from ftso_cli.nn.synchronised import SynchronisedNorm, moments_of_all


class Normalised(NamedTuple):
    """Maps behind batch norms: scale · (x - mean), with the channels of the pieces side by side as x."""

    pieces: tuple[StridedReads, ...]
    scale: Tensor
    mean: Tensor

    def beside(self, other: "Normalised") -> "Normalised":
        """The channels of both."""
        scale, mean = torch.cat([self.scale, other.scale]), torch.cat([self.mean, other.mean])
        return Normalised(self.pieces + other.pieces, scale, mean)

    def mixed(self, algebra: CellAlgebra, matrix: Tensor) -> "LazyMap":
        """The output W (scale · (x - mean)) of a cell, for its W = `matrix`."""
        scale, mean = (values.index_select(0, algebra.columns) for values in (self.scale, self.mean))
        return LazyMap(self.pieces, matrix * scale, mean, algebra)


class LazyMap(NamedTuple):
    """The map `matrix` · (x - `centre`) at every pixel, with rows and columns as `algebra` has them; or just x."""

    pieces: tuple[StridedReads, ...]
    matrix: Tensor | None = None
    centre: Tensor | None = None
    algebra: CellAlgebra | None = None

    def convolved(self, kernels: Sequence[Tensor]) -> list[Convolved]:
        """Return the outputs (N, H, W, O) of 1x1 convolutions with these kernels (O, C) behind a ReLU."""
        return self._read([piece.x for piece in self.pieces], kernels)

    def reduced(self, even: Tensor, odd: Tensor) -> list[Convolved]:
        """The halves of a `FactorizedReduce` behind a ReLU, (N, (H + 1) // 2, (W + 1) // 2, O) each.

        All channels of the pieces must have corners. A missing odd pixel is 0.
        """
        (first,) = self._read([cast(Tensor, piece.even) for piece in self.pieces], [even])
        (second,) = self._read([cast(Tensor, piece.odd) for piece in self.pieces], [odd])
        return [first, _padded(second, first.x.shape[1:3])]

    def _read(self, pieces: Sequence[Tensor], kernels: Sequence[Tensor]) -> list[Convolved]:
        if self.matrix is None or self.centre is None or self.algebra is None:
            return mix_and_convolve(pieces, kernels)
        mixing = self.matrix, self.centre, self.algebra.layout
        return mix_and_convolve(pieces, [kernel.index_select(1, self.algebra.rows) for kernel in kernels], mixing)

    def mean(self) -> Tensor:
        """The mean over all pixels, (N, C)."""
        x = torch.cat([piece.x.mean((1, 2)) for piece in self.pieces], 1)
        if self.matrix is None or self.centre is None or self.algebra is None:
            return x
        mixed = (x[:, self.algebra.columns] - self.centre) @ self.matrix.t()
        return mixed[:, torch.argsort(self.algebra.rows)]


def _padded(part: Convolved, size: Sequence[int]) -> Convolved:
    """The map with rows and columns of zeros behind it up to `size`, and its moments with those."""
    height, width = part.x.shape[1:3]
    if (height, width) == tuple(size):
        return part
    x = functional.pad(part.x, (0, 0, 0, size[1] - width, 0, size[0] - height))
    return Convolved(x, x.mean((0, 1, 2)), x.var((0, 1, 2), unbiased=False))


def normalised(
    norms: Sequence[nn.BatchNorm2d], parts: Sequence[Convolved], places: Tensor, *, corners: int = 0
) -> Normalised:
    """Batch norm without affine of maps, as a mean and a scale of each channel, for layers that read these corners.

    `places` says which channel of the norms side by side each channel of the maps side by side is. In training, the
    running statistics move as usual.
    """
    if norms[0].training:
        mean, variance = (torch.cat([part[at] for part in parts]) for at in (1, 2))
        pixels = parts[0].x[..., 0].numel()
        if isinstance(norms[0], SynchronisedNorm):
            mean, variance, pixels = moments_of_all(mean, variance, pixels)
        _track(norms, mean, variance, places, pixels)
    else:
        mean = torch.cat([cast(Tensor, norm.running_mean) for norm in norms])[places]
        variance = torch.cat([cast(Tensor, norm.running_var) for norm in norms])[places]
    scale = (variance + norms[0].eps).rsqrt()
    return Normalised(tuple(strided_reads(part.x, corners) for part in parts), scale, mean)


@torch.no_grad()
def _track(norms: Sequence[nn.BatchNorm2d], mean: Tensor, variance: Tensor, places: Tensor, pixels: int) -> None:
    """Moves the running statistics of the norms."""
    if pixels < 2:
        raise ValueError("batch norm needs more than one value per channel in training")
    widths = [norm.num_features for norm in norms]
    means, variances = (
        torch.split(torch.empty_like(moment).index_copy_(0, places, moment), widths) for moment in (mean, variance)
    )
    for norm, new_mean, new_variance in zip(norms, means, variances, strict=True):
        keep_running(norm, new_mean, new_variance, pixels)
