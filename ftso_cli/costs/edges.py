"""The cost of every candidate on every edge: what a search for a cheap cell weighs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ftso_cli.costs.layers import Cost
from ftso_cli.costs.network import NOTHING, image_shape, operator_cost, stage_costs
from ftso_cli.spaces import Space
from ftso_cli.spaces.darts import Evaluation
from ftso_cli.spaces.layers import Shape
from ftso_cli.spaces.skeleton import CellStage

Edges = Sequence[tuple[int, int]]
"""Edges of a cell: source and target."""


@dataclass(frozen=True)
class EdgeCosts:
    """The cost of a network without its edges, and of each candidate on each edge in all cells of a kind together."""

    around: Cost
    edges: Mapping[str, tuple[tuple[Cost, ...], ...]]


def edge_costs(
    edges: Mapping[str, Edges], concat: Mapping[str, int], ops: Sequence[str], space: Space, network: Evaluation
) -> EdgeCosts:
    """Count the candidates on the edges of each kind of cell, whose output joins `concat[kind]` nodes, in a network."""
    found = {kind: [[NOTHING] * len(ops) for _ in its] for kind, its in edges.items()}

    def add(place: CellStage, inputs: Shape, nodes: Shape) -> Cost:
        for edge, (source, _) in enumerate(edges[place.kind]):
            at = inputs if source < space.inputs else nodes
            row = found[place.kind][edge]
            for number, op in enumerate(ops):
                row[number] += operator_cost(op, place.channels, space.stride(place.kind, source), at)
        return NOTHING

    skeleton = space.skeleton(network.shape, concat)
    stages = stage_costs(skeleton, image_shape(network.shape, (network.pixels, network.pixels)), add)
    around = sum((stage.cost for stage in stages), Cost())
    return EdgeCosts(around, {kind: tuple(map(tuple, rows)) for kind, rows in found.items()})
