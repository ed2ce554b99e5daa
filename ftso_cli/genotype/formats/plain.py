"""The common part of the formats: cells as lists of edges, genotypes made of them, and remarks on what is lost."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from ftso_cli.errors import GenotypeError, short
from ftso_cli.genotype.edit import require_complete
from ftso_cli.genotype.schema import FORMAT, MOST_EDGES, Cell, Edge, Genotype
from ftso_cli.genotype.storage import describe_error
from ftso_cli.spaces import DARTS, SPACES, Space

SYNONYMS: Mapping[str, str] = {
    "separable_3x3_2": "sep_conv_3x3",
    "separable_5x5_2": "sep_conv_5x5",
    "separable_7x7_2": "sep_conv_7x7",
    "zero": "none",
}
"""Other names of the same operators: two separable convolutions in TF-slim, NASLib's zero."""

NOTES = "the notes on where it is from"


@dataclass(kw_only=True)
class Plain:
    """Cells on their way into a genotype: edges as (operator, source, target), and the nodes of the output.

    `lost` collects what the text has and a genotype can't hold; `loose` says that edges out of a node which nothing
    feeds are kept as pruned (FairDARTS ignores them), not refused.
    """

    space: Space = DARTS
    edges: dict[str, list[tuple[str, int, int]]] = field(default_factory=dict)
    concat: dict[str, list[int]] = field(default_factory=dict)
    name: str | None = None
    loose: bool = False
    lost: list[str] = field(default_factory=list)

    def lose(self, what: str) -> None:
        """Notes, once, that something is lost."""
        if what not in self.lost:
            self.lost.append(what)

    def genotype(self) -> Genotype:
        """The genotype of these cells; raises `GenotypeError` with the rule that they break."""
        cells = {kind: {"edges": self._edges(kind), "concat": self.concat[kind]} for kind in self.edges}
        about = {} if self.name is None else {"about": {"name": self.name}}
        return checked_genotype(
            {"format": FORMAT, "space": self.space.name, "stage": "complete", **about, "cells": cells}
        )

    def _edges(self, kind: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        fed = set(range(self.space.inputs))
        for op, source, target in sorted(self.edges[kind], key=lambda edge: edge[2]):
            edge: dict[str, Any] = {"source": source, "target": target, "op": SYNONYMS.get(op, op)}
            if self.loose and source not in fed:
                edge["kept"] = False
                self.lose(f"edge {source}→{target} of the {kind} cell (nothing feeds node {source}: kept as pruned)")
            else:
                fed.add(target)
            found.append(edge)
        return found


def checked_genotype(content: Any) -> Genotype:
    """The genotype in JSON-like `content`, checked like a file."""
    try:
        return Genotype.model_validate_json(json.dumps(content))
    except ValidationError as error:
        raise GenotypeError(describe_error(error)) from None
    except ValueError:
        raise GenotypeError("holds a value that no genotype holds") from None


def pick(content: Any, what: str, *names: str) -> list[Any]:
    """The values of `names` in a dictionary; raises `GenotypeError` for one that is missing."""
    if not isinstance(content, dict):
        raise GenotypeError(f"{what} is a dictionary, not {short(content)}")
    missing = [name for name in names if name not in content]
    if missing:
        raise GenotypeError(f"{what} lacks {', '.join(missing)}; it has {short(', '.join(content))}")
    return [content[name] for name in names]


def space_of(content: Any) -> Space:
    """The space whose kinds of cells stand in a dictionary by name; the DARTS space where none's do."""
    held = [space for space in SPACES.values() if isinstance(content, dict) and content.keys() >= set(space.kinds)]
    return held[0] if held else DARTS


def as_edge(entry: Any, what: str) -> tuple[str, int, int]:
    """(operator, source, target) from a list; raises `GenotypeError` for anything else."""
    match entry:
        case [str() as op, int() as source, int() as target]:
            return op, source, target
    raise GenotypeError(f"an edge is {what}, not {short(entry)}")


def as_list(value: Any, what: str) -> list[Any]:
    """A list; raises `GenotypeError` for anything else, and for one longer than a cell can be."""
    if not isinstance(value, list):
        raise GenotypeError(f"{what} is a list, not {short(value)}")
    if len(value) > MOST_EDGES:
        raise GenotypeError(f"{what} has {len(value)} entries, and no cell has more than {MOST_EDGES} edges")
    return value


def as_nodes(value: Any, what: str) -> list[int]:
    """A list of node numbers; raises `GenotypeError` for anything else."""
    if all(isinstance(node, int) for node in as_list(value, what)):
        return list(value)
    raise GenotypeError(f"{what} lists nodes by number, not {short(value)}")


def wiring_only(genotype: Genotype, format_name: str) -> list[str]:
    """Return what is lost of a genotype in a format of operators, edges and outputs alone.

    Raises `GenotypeError` for a genotype without operators.
    """
    require_complete(genotype, f"{format_name} text")
    edges = [edge for cell in genotype.cells.values() for edge in cell.edges]
    parts = {
        "searched strengths": any((edge.beta, edge.alpha, edge.beta_ops) != (None, None, None) for edge in edges),
        "pruned edges": not all(edge.kept for edge in edges),
        **beside_the_cells(genotype),
    }
    return [part for part, there in parts.items() if there]


def beside_the_cells(genotype: Genotype) -> dict[str, bool]:
    """Return which parts a genotype has besides its cells."""
    return {
        "the list of searched operators": bool(genotype.searched_ops),
        "the history": bool(genotype.history),
        NOTES: genotype.about is not None,
    }


def in_pairs(kind: str, cell: Cell, format_name: str) -> list[tuple[Edge, Edge]]:
    """The two inputs of node 2, of node 3 and so on; raises `GenotypeError` for a node with more or fewer."""
    found: list[tuple[Edge, Edge]] = []
    for node in range(DARTS.inputs, max(cell.nodes, default=0) + 1):
        inputs = cell.inputs_of(node)
        if len(inputs) != 2:
            raise GenotypeError(
                f"node {node} of the {kind} cell has {len(inputs) or 'no'} input{'' if len(inputs) == 1 else 's'}, "
                f"and {format_name} text has two for every node; use --format edges, which can say that"
            )
        found.append((inputs[0], inputs[1]))
    return found
