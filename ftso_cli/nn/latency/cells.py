"""The operations of a merged cell by name, without building it: every operator is traced once at a width and a size.

The plan of the cell is run on maps that have a shape alone, and note what is called.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import nn

from ftso_cli.genotype import Cell, graph
from ftso_cli.nn.device import seeded
from ftso_cli.nn.latency.operations import named, operations
from ftso_cli.nn.layers import sequential
from ftso_cli.nn.merged.plan import begins_with_relu, is_convolution
from ftso_cli.nn.merged.use import UsedBlock, UsedCell, folded, joined_convolution, straight
from ftso_cli.spaces import Space, operator
from ftso_cli.spaces.layers import Shape

Rows = tuple[tuple[nn.Module, ...], ...]
"""Operators that run as one, by node and input; one alone is a row of one."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """The place of a cell in a network: its kind and width, the shapes of its inputs and nodes, and what goes out.

    The inputs in `raw` are outputs of other cells as they are; the output is behind its ReLU where it is `active`.
    """

    kind: str
    channels: int
    inputs: Shape
    nodes: Shape
    raw: tuple[int, ...]
    active: bool


def cell_operations(cell: Cell, place: Place, space: Space) -> list[str]:
    """Return the names of all operations inside a cell, for one image."""
    operators = [_operator(edge.op or "", place.channels, space.stride(place.kind, edge.source)) for edge in cell.kept]
    merged = _NamedCell(cell.kept, cell.concat, operators, raw=place.raw, active=place.active)
    read, calls = graph.read_by(cell.kept, cell.concat), list[str]()
    merged({source: _Shaped((1, *place.inputs), calls) for source in range(space.inputs) if source in read})
    return calls


def operator_operations(op: str, source: int, place: Place, space: Space) -> list[str]:
    """Return the names of the operations of an operator on an edge that leaves a node, behind its ReLU."""
    layers = _operator(op, place.channels, space.stride(place.kind, source))
    return _traced(((layers,),), (1, *(place.inputs if source < space.inputs else place.nodes)))[0]


@lru_cache(maxsize=4096)
def _operator(op: str, channels: int, stride: int) -> nn.Module:
    """An operator of random weights; equal ones are one module."""
    with seeded(0):
        return sequential(operator(op).layers(channels, stride))


@lru_cache(maxsize=16384)
def _traced(rows: Rows, shape: tuple[int, ...]) -> tuple[list[str], tuple[int, ...]]:
    """The operations of operators that run as one, behind their ReLU, on a map of a shape; and the shape of the output.

    A single one needn't be a convolution.
    """
    with torch.no_grad():
        layers = nn.Sequential(joined_convolution(rows) if is_convolution(rows[0][0]) else _behind_relu(rows[0][0]))
        names, output = operations(straight(layers), torch.empty(shape))
    return names, tuple(output.shape)


def _behind_relu(layers: nn.Module) -> nn.Module:
    """An operator to evaluate, without the ReLU that it begins with."""
    return (
        nn.Sequential(*list(folded(layers).children())[begins_with_relu(layers) :])
        if list(layers.children())
        else layers
    )


class _Shaped:
    """A map that has a shape alone, (N, C, H, W); what is computed of it is noted in `calls`."""

    def __init__(self, shape: tuple[int, ...], calls: list[str]) -> None:
        self.shape, self.calls = shape, calls

    @classmethod
    def __torch_function__(
        cls, function: Any, types: Any, args: Sequence[Any], kwargs: Mapping[str, Any] | None = None
    ) -> "_Shaped":
        """Note `relu` or `add`, which keep the shape, or `cat` along the channels."""
        maps = args[0] if function is torch.cat else args
        first: _Shaped = maps[0]
        first.calls.append(named(function.__name__, args, kwargs or {}))
        if function is not torch.cat:
            return cls(first.shape, first.calls)
        return first.wide(sum(each.shape[1] for each in maps))

    def wide(self, channels: int) -> "_Shaped":
        """A map of so many channels."""
        return _Shaped((self.shape[0], channels, *self.shape[2:]), self.calls)

    def chunk(self, parts: int, dim: int) -> "list[_Shaped]":
        """Equal parts of the channels."""
        self.calls.append(named("chunk", (self, parts, dim), {}))
        return [self.wide(self.shape[1] // parts)] * parts


class _Named(nn.Module):
    """Operators that run as one on a map that has a shape alone."""

    def __init__(self, rows: Rows) -> None:
        super().__init__()
        self.rows = rows

    def forward(self, x: _Shaped) -> _Shaped:
        """Note their operations."""
        names, shape = _traced(self.rows, x.shape)
        x.calls.extend(names)
        return _Shaped(shape, x.calls)


class _NamedBlock(UsedBlock):
    def convolution(self, rows: Sequence[Sequence[nn.Module]]) -> nn.Module:
        return _Named(tuple(map(tuple, rows)))

    def folded(self, layers: nn.Module) -> nn.Module:
        alone = _Named(((layers,),))
        return nn.Sequential(nn.ReLU(), alone) if begins_with_relu(layers) else alone


class _NamedCell(UsedCell):
    block = _NamedBlock
