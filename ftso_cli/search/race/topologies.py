"""Topologies as values: drawn at random, changed a little, measured by their depth. No torch.

A genotype is what a file holds; here a topology is small, ordered and hashable, so that a race can deal in many.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean

import networkx as nx

from ftso_cli.genotype import FORMAT, Cell, Edge, Genotype
from ftso_cli.genotype.graph import depths
from ftso_cli.spaces import DARTS

Inputs = tuple[tuple[int, ...], ...]
"""For each intermediate node in order, the nodes that it reads, in ascending order."""


@dataclass(frozen=True)
class Topology:
    """The wiring of the cells of every kind."""

    cells: tuple[Inputs, ...]
    """In the order of the space's kinds."""

    @cached_property
    def depth(self) -> float:
        """The mean depth of the intermediate nodes, over all cells; the inputs of a cell have depth 0."""
        return fmean(depth for inputs in self.cells for depth in _depths(inputs))

    def genotype(self, op: str) -> Genotype:
        """The complete genotype with this wiring and `op` on every edge."""
        cells = {kind: _cell(inputs, op) for kind, inputs in zip(DARTS.kinds, self.cells, strict=True)}
        return Genotype(format=FORMAT, space=DARTS.name, stage="complete", cells=cells)

    def __str__(self) -> str:
        """Return `normal 2←0,1 3←0,2  reduce 2←0,1 3←1,2`."""
        return "  ".join(
            f"{kind} " + " ".join(f"{node}←{','.join(map(str, sources))}" for node, sources in enumerate(inputs, 2))
            for kind, inputs in zip(DARTS.kinds, self.cells, strict=True)
        )


def random_topology(random_: random.Random, nodes: int) -> Topology:
    """A wiring in which every node reads two earlier ones, any as likely."""
    return Topology(
        tuple(
            tuple(_some(random_, node, min(DARTS.keep, node)) for node in range(DARTS.inputs, DARTS.inputs + nodes))
            for _ in DARTS.kinds
        )
    )


def mutated(random_: random.Random, wiring: Topology) -> Topology:
    """The wiring with one input of one node changed, any as likely; needs a node that has a choice."""
    choices = [
        (cell, at)
        for cell, inputs in enumerate(wiring.cells)
        for at, sources in enumerate(inputs)
        if len(sources) < at + DARTS.inputs
    ]
    cell, at = random_.choice(choices)
    inputs = list(wiring.cells[cell])
    out = random_.choice(inputs[at])
    into = random_.choice([node for node in range(at + DARTS.inputs) if node not in inputs[at]])
    inputs[at] = tuple(sorted({*inputs[at], into} - {out}))
    return Topology((*wiring.cells[:cell], tuple(inputs), *wiring.cells[cell + 1 :]))


def widest(nodes: int) -> Topology:
    """Every node reads the two inputs of the cell."""
    return Topology((((0, 1),) * nodes,) * len(DARTS.kinds))


def deepest(nodes: int) -> Topology:
    """Every node reads the two before it."""
    return Topology((tuple((at, at + 1) for at in range(nodes)),) * len(DARTS.kinds))


def topology_of(genotype: Genotype) -> Topology:
    """The wiring of a pruned or complete genotype of the darts space."""
    return Topology(tuple(_inputs(genotype.cells, kind) for kind in DARTS.kinds))


def _inputs(cells: Mapping[str, Cell], kind: str) -> Inputs:
    cell = cells[kind]
    return tuple(tuple(edge.source for edge in cell.inputs_of(node)) for node in cell.nodes)


def _some(random_: random.Random, among: int, count: int) -> tuple[int, ...]:
    return tuple(sorted(random_.sample(range(among), count)))


def _depths(inputs: Inputs) -> list[int]:
    graph = nx.DiGraph([(source, node) for node, sources in enumerate(inputs, DARTS.inputs) for source in sources])
    found = depths(graph)
    return [found[node] for node in range(DARTS.inputs, DARTS.inputs + len(inputs))]


def _cell(inputs: Inputs, op: str) -> Cell:
    nodes = range(DARTS.inputs, DARTS.inputs + len(inputs))
    edges = (
        Edge(source=source, target=node, op=op)
        for node, sources in zip(nodes, inputs, strict=True)
        for source in sources
    )
    return Cell(edges=tuple(edges), concat=tuple(nodes))
