"""The super-net of skip connections, evaluated as the chain of pointwise layers that it is.

`FoldedSuperNet` is a `SuperNet`: it has the same parameters, gives the same result, and only takes another way to it.
Three facts make the way short.

1. Skip connections only shuffle and add channels, so a cell is one matrix W(β) (`folded_algebra`).
2. A cell's output is read by nothing but ReLU, 1x1 convolution, batch norm, in the next one or two cells. So it is
   never stored: `folded_pointwise.read` goes from the inputs of one cell to the inputs of the next ones.
3. Batch norm is linear once its moments are known, so it is folded into the layer that follows (`folded_maps`).
"""

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn

from ftso_cli.errors import SettingsError
from ftso_cli.nn.folded_algebra import output_matrix, plain_selections, shuffle_order, strided_selections
from ftso_cli.nn.folded_maps import LazyMap, normalised, side_by_side, strided_skips
from ftso_cli.nn.folded_moments import ALL_CHANNELS
from ftso_cli.nn.layers import FactorizedReduce
from ftso_cli.nn.supernet import MixedEdge, SearchCell, SuperNet, Wiring
from ftso_cli.spaces import Space
from ftso_cli.spaces.darts import NetworkShape

FOLDABLE = ("skip_connect",)
"""The operators that cells can be folded for."""

Slot = tuple[int, int]
"""An input of a cell: the index of the cell, and 0 for the output of cell k-2 or 1 for that of cell k-1."""


class FoldedSuperNet(SuperNet):
    """A `SuperNet` of skip connections, several times faster and with the same parameters and buffers.

    Raises `SettingsError` for other operators.
    """

    def __init__(
        self,
        wirings: Mapping[str, Wiring],
        space: Space,
        ops: tuple[str, ...],
        shape: NetworkShape,
        *,
        partial: int = 4,
    ) -> None:
        if ops != FOLDABLE:
            raise SettingsError(f"only a super-net of skip_connect alone can be folded, not one of {', '.join(ops)}")
        super().__init__(wirings, space, ops, shape, partial=partial)
        self.partial = partial
        self.strides = {kind: space.stride(kind, 0) for kind in wirings}

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) to logits (N, classes)."""
        matrices = self._matrices()
        inputs: dict[Slot, LazyMap] = {}
        output = self._stem(0, images)
        self._hand_on(0, output, inputs)
        for at in range(1, len(self.stems)):
            output = self._stem(at, output.stored())
            self._hand_on(at, output, inputs)
        for at in range(len(self.cells)):
            output = self._cell(at, inputs.pop((at, 0)), inputs.pop((at, 1)), matrices)
            self._hand_on(len(self.stems) + at, output, inputs)
        logits: Tensor = self.classifier(output.mean()[:, :, None, None])
        return logits

    def _stem(self, at: int, x: Tensor) -> LazyMap:
        """One stem; its last batch norm is left to whoever reads it."""
        *layers, norm = cast(nn.Sequential, self.stems[at])
        for layer in layers:
            x = layer(x.contiguous(memory_format=torch.channels_last))
        return normalised([cast(nn.BatchNorm2d, norm)], [x.permute(0, 2, 3, 1)], corners=self._corners(at))

    def _hand_on(self, stage: int, output: LazyMap, inputs: dict[Slot, LazyMap]) -> None:
        """Puts what the next cells read of the output of a stage (a stem or a cell) into their inputs."""
        plain: list[Slot] = []
        for slot in self._readers(stage):
            _, layer, _ = self._preprocess(slot)
            if isinstance(layer, FactorizedReduce):
                inputs[slot] = self._input(slot, output.reduced(layer.even.weight, layer.odd.weight))
            else:
                plain.append(slot)
        if plain:
            read = output.convolved([cast(nn.Conv2d, self._preprocess(slot)[1]).weight for slot in plain])
            inputs |= {slot: self._input(slot, (piece,)) for slot, piece in zip(plain, read, strict=True)}

    def _input(self, slot: Slot, pieces: tuple[Tensor, ...]) -> LazyMap:
        """An input of a cell behind its batch norm; that of a reduction cell is one piece, to be read with strides."""
        at, _ = slot
        norm = self._preprocess(slot)[2]
        if self.strides[self.kinds[at]] == 1:
            return normalised([norm], pieces, corners=self._corners(len(self.stems) + at))
        whole = pieces[0] if len(pieces) == 1 else torch.cat(pieces, 3)
        return normalised([norm], [whole], corners=norm.num_features // self.partial, pool=True)

    def _corners(self, stage: int) -> int:
        """The corners that are read of what makes up the output of a stage: all where it is read at half the size."""
        halved = any(isinstance(self._preprocess(slot)[1], FactorizedReduce) for slot in self._readers(stage))
        return ALL_CHANNELS if halved else 0

    def _readers(self, stage: int) -> list[Slot]:
        """The inputs of cells that read the output of a stage; the first cell has no stage k-2 before a lone stem."""
        slots = [(at, slot) for at in range(len(self.cells)) for slot in (0, 1)]
        return [(at, slot) for at, slot in slots if max(0, len(self.stems) - 2 + at + slot) == stage]

    def _preprocess(self, slot: Slot) -> tuple[nn.Module, nn.Module, nn.BatchNorm2d]:
        """ReLU, convolution or factorized reduce, and batch norm in front of an input of a cell."""
        cell = cast(SearchCell, self.cells[slot[0]])
        relu, layer, norm = cast(nn.Sequential, cell.preprocess[slot[1]])
        return relu, layer, cast(nn.BatchNorm2d, norm)

    def _cell(self, at: int, first: LazyMap, second: LazyMap, matrices: dict[tuple[str, int], Tensor]) -> LazyMap:
        """The output of a cell, of its two preprocessed inputs."""
        kind, channels = self.kinds[at], len(first.scale)
        maps: tuple[LazyMap, ...] = (first, second)
        if self.strides[kind] == 2:
            cell = cast(SearchCell, self.cells[at])
            maps = tuple(
                strided_skips(x, reduces, channels // self.partial, corners=self._corners(len(self.stems) + at))
                for source, x in enumerate(maps)
                if (reduces := _strided_edges(cell, source))
            )
        return side_by_side(maps, matrices[kind, channels])

    def _matrices(self) -> dict[tuple[str, int], Tensor]:
        """W(β) of every kind and width of cell."""
        matrices: dict[tuple[str, int], Tensor] = {}
        for at, kind in enumerate(self.kinds):
            channels = self._preprocess((at, 0))[2].num_features
            if (kind, channels) not in matrices:
                matrices[kind, channels] = self._matrix(kind, channels)
        return matrices

    def _matrix(self, kind: str, channels: int) -> Tensor:
        wiring = self.wirings[kind]
        order = shuffle_order(channels, self.partial)
        leaving = [at for at, (source, _) in enumerate(wiring.edges) if source < 2]
        sources = [wiring.edges[at][0] for at in leaving]
        if self.strides[kind] == 2:
            selections, features = strided_selections(sources, order, channels // self.partial)
        else:
            selections, features = plain_selections(sources, order)
        return output_matrix(
            wiring, self.edge_weights(kind), dict(zip(leaving, selections, strict=True)), order, features
        )


def _strided_edges(cell: SearchCell, source: int) -> list[tuple[FactorizedReduce, nn.BatchNorm2d]]:
    """Factorized reduce and batch norm of all edges that leave an input of a reduction cell."""
    found = []
    for (start, _), edge in zip(cell.wiring.edges, cell.edges, strict=True):
        if start == source:
            _, reduce, norm = cast(nn.Sequential, cast(MixedEdge, edge).candidates[0])
            found.append((cast(FactorizedReduce, reduce), cast(nn.BatchNorm2d, norm)))
    return found
