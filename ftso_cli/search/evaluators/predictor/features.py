"""A cell as numbers: its wiring, its operators, and where they stand.

For each kind of cell, with the paths of an edge the number of directed paths from its target to the output:

depth                              edges on the longest path from an input to the output
edges, edges.inputs, edges.paths   number of edges; of edges that read an input of the cell; paths of all edges
OP, OP.inputs, OP.paths            the same of the edges with an operator
"""

from collections import Counter
from enum import StrEnum

from ftso_cli.genotype import Cell, Genotype, graph
from ftso_cli.spaces import OPERATORS, SPACES

EDGES = "edges"
DEPTH = "depth"
INPUTS = "inputs"
PATHS = "paths"


class Family(StrEnum):
    """The features that tell of the wiring alone, of the operators alone, and of where each operator stands."""

    WIRING = "wiring"
    OPERATORS = "operators"
    PLACES = "places"


def features(genotype: Genotype) -> dict[str, float]:
    """Return the features of a complete genotype by name, as in `normal.sep_conv_3x3.paths`; absent ones are 0."""
    space = SPACES[genotype.space]
    found: dict[str, float] = {}
    for kind in space.kinds:
        cell = genotype.cells[kind]
        found[f"{kind}.{DEPTH}"] = graph.depth(cell)
        found |= {f"{kind}.{name}": float(count) for name, count in _counts(cell, space.inputs).items()}
    return found


def _counts(cell: Cell, inputs: int) -> Counter[str]:
    paths = graph.paths_to_output(cell)
    found: Counter[str] = Counter()
    for edge in cell.kept:
        for what in (EDGES, edge.op):
            found[f"{what}"] += 1
            found[f"{what}.{INPUTS}"] += edge.source < inputs
            found[f"{what}.{PATHS}"] += paths[edge.target]
    return found


def operator_feature(kind: str, op: str) -> str:
    """Return the name of the number of edges with an operator; every predictor has it that knows the operator."""
    return f"{kind}.{op}"


def family(name: str) -> Family | None:
    """Return the family of a feature, None for a name that is no feature's."""
    match name.split("."):
        case [_, "depth" | "edges"] | [_, "edges", "inputs" | "paths"]:
            return Family.WIRING
        case [_, op] if op in OPERATORS:
            return Family.OPERATORS
        case [_, op, "inputs" | "paths"] if op in OPERATORS:
            return Family.PLACES
    return None
