"""The super-net of skip connections, evaluated as the chain of pointwise layers that it is.

`FoldedSuperNet` is a `SuperNet`: it has the same parameters, gives the same result, and only takes another way to it.
Three facts make the way short.

1. Skip connections only shuffle and add channels, so a cell is one matrix W(β) (`algebra`).
2. A cell's output is read by nothing but ReLU, 1x1 convolution, batch norm, in the next one or two cells. So it is
   never stored: `pointwise.read` goes from the inputs of one cell to the inputs of the next ones.
3. Batch norm is linear once its moments are known, so it is folded into the layer that follows (`maps`).
"""

from collections.abc import Hashable, Mapping
from typing import cast

import torch
from torch import Tensor, nn

from ftso_cli.errors import SettingsError
from ftso_cli.nn.folded.cells import FoldedCell, FoldedReduction
from ftso_cli.nn.folded.maps import LazyMap, Normalised
from ftso_cli.nn.folded.strided import ALL_CHANNELS, strided_reads
from ftso_cli.nn.layers import FactorizedReduction
from ftso_cli.nn.supernet import MixingWeights, SearchCell, SuperNet, Wiring
from ftso_cli.spaces import Space
from ftso_cli.spaces.darts import NetworkShape
from ftso_cli.spaces.operators import FOLDABLE

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
        self._space, self._partial = space, partial
        self._place = torch.device("cpu")
        self.folded = [self._fold(at) for at in range(len(self.cells))]

    def forward(self, images: Tensor, mixing: MixingWeights | None = None) -> Tensor:
        """Images (N, C, H, W) to logits (N, classes); the weights are those of `softmax` unless given."""
        self._be_on(images.device)
        weights = (self.softmax() if mixing is None else mixing).edge_weights
        matrices: dict[Hashable, Tensor] = {}
        inputs: dict[Slot, Normalised] = {}
        output = self._through_stems(images, inputs)
        for at, (kind, cell) in enumerate(zip(self.kinds, self.folded, strict=True)):
            key = (kind, *cell.likeness)
            if key not in matrices:
                matrices[key] = cell.algebra.matrix(weights[kind])
            output = cell.output([inputs.pop((at, 0)), inputs.pop((at, 1))], matrices[key])
            self._hand_on(len(self.stems) + at, output, inputs)
        logits: Tensor = self.classifier(output.mean()[:, :, None, None])
        return logits

    def _be_on(self, device: torch.device) -> None:
        """Folds the cells anew on another device: their tables of channels are there, and groups as it likes them."""
        if device != self._place:
            with torch.device(device):
                self.folded = [self._fold(at) for at in range(len(self.cells))]
            self._place = device

    def _fold(self, at: int) -> FoldedCell:
        cell = cast(SearchCell, self.cells[at])
        make = FoldedCell if self._space.stride(self.kinds[at], 0) == 1 else FoldedReduction
        return make(cell, self._partial, self._corners(len(self.stems) + at))

    def _through_stems(self, x: Tensor, inputs: dict[Slot, Normalised]) -> LazyMap:
        """The stems, which are no pointwise layers, by the modules themselves."""
        for at, stem in enumerate(self.stems):
            x = stem(x.contiguous(memory_format=torch.channels_last))
            output = LazyMap((strided_reads(x.permute(0, 2, 3, 1), self._corners(at)),))
            self._hand_on(at, output, inputs)
        return output

    def _hand_on(self, stage: int, output: LazyMap, inputs: dict[Slot, Normalised]) -> None:
        """Puts what the next cells read of the output of a stage (a stem or a cell) into their inputs."""
        plain: list[Slot] = []
        for at, slot in self._readers(stage):
            if self.folded[at].halves(slot):
                even, odd = self.folded[at].kernels(slot)
                inputs[at, slot] = self.folded[at].input(slot, output.reduced(even, odd))
            else:
                plain.append((at, slot))
        if plain:
            read = output.convolved([kernel for at, slot in plain for kernel in self.folded[at].kernels(slot)])
            for (at, slot), convolved in zip(plain, read, strict=True):
                inputs[at, slot] = self.folded[at].input(slot, [convolved])

    def _corners(self, stage: int) -> int:
        """The corners that are read of what makes up the output of a stage: all where it is read at half the size."""
        preprocess = (cast(SearchCell, self.cells[at]).preprocess[slot] for at, slot in self._readers(stage))
        halved = any(isinstance(cast(nn.Sequential, layers)[1], FactorizedReduction) for layers in preprocess)
        return ALL_CHANNELS if halved else 0

    def _readers(self, stage: int) -> list[Slot]:
        """The inputs of cells that read the output of a stage; the first cell has no stage k-2 before a lone stem."""
        slots = [(at, slot) for at in range(len(self.cells)) for slot in (0, 1)]
        return [(at, slot) for at, slot in slots if max(0, len(self.stems) - 2 + at + slot) == stage]
