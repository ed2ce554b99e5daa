"""A cell as a `networkx.MultiDiGraph`, and back without loss."""

import networkx as nx
from pydantic import ValidationError

from ftso_cli.errors import GenotypeError
from ftso_cli.genotype.schema import Cell, Edge
from ftso_cli.genotype.storage import describe


def to_graph(cell: Cell, *, kept_only: bool = False) -> "nx.MultiDiGraph[int]":
    """The cell as a multigraph: edge attributes are the fields of `Edge`, the graph's attribute `concat` its output.

    With `kept_only`, edges that pruning has taken out are left out.
    """
    graph: nx.MultiDiGraph[int] = nx.MultiDiGraph(concat=list(cell.concat))
    for edge in cell.kept if kept_only else cell.edges:
        graph.add_edge(edge.source, edge.target, **edge.model_dump(exclude={"source", "target"}, exclude_defaults=True))
    graph.add_nodes_from(cell.concat)
    return graph


def from_graph(graph: "nx.MultiDiGraph[int]") -> Cell:
    """The cell that `to_graph` made a graph of; raises `GenotypeError` for a graph that is no cell."""
    if not nx.is_directed_acyclic_graph(graph):
        nodes = [str(edge[0]) for edge in nx.find_cycle(graph)]
        raise GenotypeError(f"the graph has a cycle: {' → '.join([*nodes, nodes[0]])}; a cell is acyclic")
    try:
        edges = tuple(Edge(source=u, target=v, **fields) for u, v, fields in graph.edges(data=True))
        return Cell(edges=edges, concat=tuple(graph.graph.get("concat", ())))
    except ValidationError as error:
        raise GenotypeError(f"the graph is no cell: {describe(error)}") from None


def depth(cell: Cell) -> int:
    """The number of edges on the longest path from an input to a node of the output."""
    graph = to_graph(cell, kept_only=True)
    used = set(cell.concat).union(*(nx.ancestors(graph, node) for node in cell.concat))
    return int(nx.dag_longest_path_length(graph.subgraph(used), weight=None, default_weight=1))
