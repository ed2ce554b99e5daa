"""The cells of the folded super-net: which channels stand where, and from the inputs of a cell to its output.

A cell keeps no weights of its own: it holds the layers of a `SearchCell` and reads their parameters. Channels are kept
in the order of their groups (`algebra`), which the rows of the convolutions in front are brought into.
"""

from collections.abc import Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from ftso_cli.nn.folded.algebra import CellAlgebra, Piece, by_group, shuffle_order
from ftso_cli.nn.folded.maps import LazyMap, Normalised, normalised
from ftso_cli.nn.folded.pointwise import Convolved
from ftso_cli.nn.folded.strided import StridedReads, strided_reads
from ftso_cli.nn.layers import FactorizedReduction
from ftso_cli.nn.supernet import MixedEdge, SearchCell


class FoldedCell:
    """A normal cell: its output is W(β) of its two inputs.

    `corners` are those that will be read of all that its output consists of.
    """

    def __init__(self, cell: SearchCell, partial: int, corners: int) -> None:
        self.wiring = cell.wiring
        self.corners = corners
        self.layers = [cast(nn.Sequential, layers)[1] for layers in cell.preprocess]
        self.norms = [cast(nn.BatchNorm2d, cast(nn.Sequential, layers)[2]) for layers in cell.preprocess]
        self.channels = self.norms[0].num_features
        self.active = self.channels // partial
        self.order = shuffle_order(self.channels, partial)
        self.columns = [self._columns(slot) for slot in (0, 1)]
        self.algebra = CellAlgebra(self.wiring, self.order, self._pieces())

    @property
    def likeness(self) -> tuple[int, bool, bool]:
        """Cells of one kind that are alike in this have the same W(β)."""
        return self.channels, self.halves(0), self.halves(1)

    def halves(self, slot: int) -> bool:
        """Return True where the input is read at half the size."""
        return isinstance(self.layers[slot], FactorizedReduction)

    def kernels(self, slot: int) -> list[Tensor]:
        """The convolutions in front of an input, (outputs, channels) each: one, or a factorized reduce's two."""
        layer = self.layers[slot]
        if isinstance(layer, FactorizedReduction):
            weights, shifts = [layer.even.weight, layer.odd.weight], [0, len(layer.even.weight)]
        else:
            weights, shifts = [cast(nn.Conv2d, layer).weight], [0]
        return [
            _rows(weight.flatten(1), columns - shift)
            for weight, columns, shift in zip(weights, self.columns[slot], shifts, strict=True)
        ]

    def input(self, slot: int, convolved: Sequence[Convolved]) -> Normalised:
        """An input of the cell, behind its batch norm."""
        return normalised([self.norms[slot]], convolved, torch.cat(self.columns[slot]), corners=self.corners)

    def output(self, inputs: Sequence[Normalised], matrix: Tensor) -> LazyMap:
        """The output of the cell, for its W(β) = `matrix`."""
        return inputs[0].beside(inputs[1]).mixed(self.algebra, matrix)

    def _columns(self, slot: int) -> list[Tensor]:
        """The channel of each column of each piece of an input."""
        channels = torch.arange(self.channels)
        parts = torch.split(channels, [self.channels // 2, self.channels - self.channels // 2])
        return [self._grouped(part) for part in (parts if self.halves(slot) else [channels])]

    def _grouped(self, channels: Tensor) -> Tensor:
        return channels[by_group(channels, self.order)]

    def _pieces(self) -> list[Piece]:
        sources = torch.tensor([source for source, _ in self.wiring.edges])
        return [
            Piece(columns, (sources == slot)[:, None].expand(-1, len(columns)))
            for slot in (0, 1)
            for columns in self.columns[slot]
        ]


class FoldedReduction(FoldedCell):
    """A reduction cell: its output is W(β) of the features that its strided skips take of the inputs."""

    def __init__(self, cell: SearchCell, partial: int, corners: int) -> None:
        self.edges = [_strided_edges(cell, source) for source in (0, 1)]
        super().__init__(cell, partial, corners)
        self.skips = [[self._halves(slot, half) for half in (0, 1)] for slot in (0, 1)]

    def kernels(self, slot: int) -> list[Tensor]:
        """The convolutions in front of an input, (outputs, channels) each: one, or a factorized reduce's two."""
        layer = self.layers[slot]
        if isinstance(layer, FactorizedReduction):
            return [layer.even.weight.flatten(1), layer.odd.weight.flatten(1)]
        return super().kernels(slot)

    def input(self, slot: int, convolved: Sequence[Convolved]) -> Normalised:
        """An input behind its batch norm, in one piece, with what the strided skips read."""
        (columns,) = self.columns[slot]
        whole = convolved[0]
        if len(convolved) > 1:
            whole = Convolved(
                torch.cat([part.x for part in convolved], 3)[..., columns],
                torch.cat([part.mean for part in convolved])[columns],
                torch.cat([part.variance for part in convolved])[columns],
            )
        return normalised([self.norms[slot]], [whole], columns, corners=self.active)

    def output(self, inputs: Sequence[Normalised], matrix: Tensor) -> LazyMap:
        """The output of the cell, for its W(β) = `matrix`."""
        first, *second = [self._features(slot, x) for slot, x in enumerate(inputs) if self.edges[slot]]
        return (first.beside(second[0]) if second else first).mixed(self.algebra, matrix)

    def _features(self, slot: int, x: Normalised) -> Normalised:
        """Side by side: the even halves of all edges' factorized reduces, their odd halves, other channels pooled.

        Max-pooling commutes with batch norm, which never reverses the order of values.
        """
        (piece,) = x.pieces
        scale, mean = x.scale[: self.active], x.mean[: self.active]
        even, odd = (cast(Tensor, corner) * scale - scale * mean for corner in (piece.even, piece.odd))
        (even_rows, even_places), (odd_rows, odd_places) = self.skips[slot]
        reduces, norms = [edge.reduce for edge in self.edges[slot]], [edge.norm for edge in self.edges[slot]]
        even_kernel = torch.cat([reduce.even.weight for reduce in reduces]).flatten(1)
        odd_kernel = torch.cat([reduce.odd.weight for reduce in reduces]).flatten(1)
        halves = LazyMap((StridedReads(x.pieces[0].x, even, odd),)).reduced(
            _rows(even_kernel, even_rows), _rows(odd_kernel, odd_rows)
        )
        reduced = normalised(norms, halves, torch.cat([even_places, odd_places]), corners=self.corners)
        pooled = cast(Tensor, piece.pooled)
        if not pooled.shape[3]:
            return reduced
        passing = strided_reads(pooled, self.corners)
        return reduced.beside(Normalised((passing,), x.scale[self.active :], x.mean[self.active :]))

    def _columns(self, slot: int) -> list[Tensor]:
        """The channel of each column of an input: the active ones first, as they are read as one block."""
        channels = torch.arange(self.channels)
        return [torch.cat([channels[: self.active], self._grouped(channels[self.active :])])]

    def _halves(self, slot: int, half: int) -> tuple[Tensor, Tensor]:
        """Return the even (0) or odd (1) convolutions of all skips of an input, stacked: their rows in the order of
        groups, and the channel of the edges' norms that each is then.
        """
        channels = self._half(half)
        edges = torch.arange(len(self.edges[slot]))[:, None]
        rows = by_group(channels.repeat(len(edges)), self.order)
        return rows, (edges * self.active + channels).flatten()[rows]

    def _half(self, half: int) -> Tensor:
        """The channels that the even (0) or odd (1) half of a factorized reduce yields."""
        return torch.arange(self.active).tensor_split([self.active // 2])[half]

    def _pieces(self) -> list[Piece]:
        pieces = []
        for slot in (slot for slot in (0, 1) if self.edges[slot]):
            edges = torch.tensor([edge.at for edge in self.edges[slot]])
            everyone = torch.isin(torch.arange(len(self.wiring.edges)), edges)[:, None]
            for half in (0, 1):
                _, places = self._halves(slot, half)
                readers = edges[places // self.active] == torch.arange(len(self.wiring.edges))[:, None]
                pieces.append(Piece(places % self.active, readers))
            passing = self.columns[slot][0][self.active :]
            pieces.append(Piece(passing, everyone.expand(-1, len(passing))))
        return [piece for piece in pieces if len(piece.channels)]


class _StridedEdge(NamedTuple):
    """A strided skip: which edge of the cell it is, and its layers behind the ReLU."""

    at: int
    reduce: FactorizedReduction
    norm: nn.BatchNorm2d


def _strided_edges(cell: SearchCell, source: int) -> list[_StridedEdge]:
    """The edges that leave an input of a reduction cell."""
    found = []
    for at, (start, _) in enumerate(cell.wiring.edges):
        if start == source:
            _, reduce, norm = cast(nn.Sequential, cast(MixedEdge, cell.edges[at]).candidates[0])
            found.append(_StridedEdge(at, cast(FactorizedReduction, reduce), cast(nn.BatchNorm2d, norm)))
    return found


def _rows(matrix: Tensor, order: Tensor) -> Tensor:
    return matrix.index_select(0, order)
