"""networkx' node-link JSON: a graph for each cell, with everything that was searched.

`networkx.node_link_graph(content["normal"], edges="edges")` is the multigraph of the normal cell, the same that
`ftso_cli.genotype.graph.to_graph` makes. Old versions of networkx call the list of edges `links`; both are read.
"""

from typing import Any

from ftso_cli.errors import GenotypeError, short
from ftso_cli.genotype.formats.plain import as_list, beside_the_cells, checked_genotype, pick, space_of
from ftso_cli.genotype.schema import FORMAT, Cell, Genotype
from ftso_cli.genotype.storage import format_json
from ftso_cli.spaces import SPACES


def read_cells(content: Any) -> Genotype:
    """The genotype of a node-link graph a cell. Without `stage`, it is complete if every kept edge has an operator."""
    space = space_of(content)
    pick(content, "node-link JSON", *space.kinds)
    cells = {kind: _cell(kind, content[kind]) for kind in space.kinds}
    extra = {name: content[name] for name in ("searched_ops",) if name in content}
    stage = content.get("stage", "complete")
    return checked_genotype({"format": FORMAT, "space": space.name, "stage": stage, **extra, "cells": cells})


def _cell(kind: str, content: Any) -> dict[str, Any]:
    if not isinstance(content, dict) or not content.get("directed"):
        raise GenotypeError(f"the {kind} cell is no directed node-link graph")
    (graph,) = pick(content, f"the {kind} cell", "graph")
    (concat,) = pick(graph, f"graph of the {kind} cell", "concat")
    name = "links" if "links" in content else "edges"
    edges = [_edge(edge) for edge in as_list(content.get(name), f"edges of the {kind} cell")]
    return {"edges": edges, "concat": concat}


def _edge(edge: Any) -> dict[str, Any]:
    if not isinstance(edge, dict):
        raise GenotypeError(f"an edge is an object with source and target, not {short(edge)}")
    return {name: value for name, value in edge.items() if name != "key"}


def write_cells(genotype: Genotype) -> tuple[str, list[str]]:
    """The node-link graphs of a genotype, and what they lose."""
    content: dict[str, Any] = {"stage": genotype.stage}
    if genotype.searched_ops:
        content["searched_ops"] = list(genotype.searched_ops)
    content |= {kind: _node_link(genotype.cells[kind]) for kind in SPACES[genotype.space].kinds}
    beside = beside_the_cells(genotype) | {"the list of searched operators": False}
    return format_json(content) + "\n", [part for part, there in beside.items() if there]


def _node_link(cell: Cell) -> dict[str, Any]:
    """The content of networkx' node-link JSON, ends of an edge first."""
    # Imported here because networkx takes as long as the rest of a light command, and other formats do without.
    import networkx as nx

    from ftso_cli.genotype.graph import to_graph

    data = nx.node_link_data(to_graph(cell), edges="edges")
    edges = [{name: edge[name] for name in ("source", "target", "key")} | edge for edge in data["edges"]]
    return {**data, "edges": sorted(edges, key=lambda edge: (edge["target"], edge["source"], edge["key"]))}
