"""The skeleton of a network: what stands where around the cells, as data.

A skeleton is walked by the network builder, which makes modules of it, and by the cost calculator, which counts it.
"""

from dataclasses import dataclass
from typing import TypeVar

from ftso_cli.spaces.layers import Layers

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class CellStage:
    """One cell in its place: its kind, the channels of its nodes, and what brings its inputs to that width.

    The last of `preprocess` reads the output of cell k-1, the one before, in spaces of two inputs, that of cell k-2.
    `outputs` is the width of the concatenated output.
    """

    index: int
    kind: str
    channels: int
    preprocess: tuple[Layers, ...]
    outputs: int

    def read(self, before_last: T, last: T) -> tuple[T, ...]:
        """Return the outputs of cells k-2 and k-1 that the cell reads, in the order of `preprocess`."""
        return (before_last, last)[-len(self.preprocess) :]


@dataclass(frozen=True, kw_only=True)
class AuxiliaryHead:
    """The second classifier that training adds behind cell `after`; it is no part of the network afterwards."""

    after: int
    layers: Layers


@dataclass(frozen=True, kw_only=True)
class Skeleton:
    """Stems, cells and heads of a network.

    With one stem, both inputs of the first cell are its output. With two, the second reads the first, and the
    first cell reads the first stem as cell k-2 and the second as cell k-1 (the ImageNet networks of DARTS).
    """

    stems: tuple[Layers, ...]
    cells: tuple[CellStage, ...]
    auxiliary: AuxiliaryHead | None
    classifier: Layers
