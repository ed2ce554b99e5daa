"""A cell as a `networkx.MultiDiGraph`, and back without loss; depth, width and reachability, which its wiring decides.

Networks, races, comparisons and reports ask it. Reading a genotype file and drawing it do without: an edge leads to a
later node there, which is checked in one pass, and networkx takes as long to import as the rest of a light command.
"""

from collections.abc import Hashable, Iterable
from typing import Any

import networkx as nx
from pydantic import ValidationError

from ftso_cli.errors import GenotypeError
from ftso_cli.genotype.schema import Cell, Edge
from ftso_cli.genotype.storage import describe_error


def to_graph(cell: Cell, *, kept_only: bool = False) -> "nx.MultiDiGraph[int]":
    """The cell as a multigraph: edge attributes are the fields of `Edge`, the graph's attribute `concat` its output.

    With `kept_only`, edges that pruning has taken out are left out.
    """
    edges = cell.kept if kept_only else cell.edges
    graph: nx.MultiDiGraph[int] = nx.MultiDiGraph(concat=list(cell.concat))
    graph.add_nodes_from(sorted({node for edge in edges for node in (edge.source, edge.target)} | set(cell.concat)))
    for edge in edges:
        measured = edge.model_dump(exclude={"source", "target"}, exclude_defaults=True)
        graph.add_edge(edge.source, edge.target, **measured)
    return graph


def wiring_graph(edges: Iterable[Edge]) -> "nx.MultiDiGraph[int]":
    """The graph of nodes and edges alone, without what is known of them."""
    return nx.MultiDiGraph([(edge.source, edge.target) for edge in edges])


def from_graph(graph: "nx.MultiDiGraph[int]") -> Cell:
    """The cell that `to_graph` made a graph of; raises `GenotypeError` for a graph that is no cell."""
    if not nx.is_directed_acyclic_graph(graph):
        nodes = [str(edge[0]) for edge in nx.find_cycle(graph)]
        raise GenotypeError(f"the graph has a cycle: {' → '.join([*nodes, nodes[0]])}; a cell is acyclic")
    try:
        edges = tuple(Edge(source=u, target=v, **fields) for u, v, fields in graph.edges(data=True))
        return Cell(edges=edges, concat=tuple(graph.graph.get("concat", ())))
    except ValidationError as error:
        raise GenotypeError(f"the graph is no cell: {describe_error(error)}") from None


def read_by(edges: Iterable[Edge], outputs: Iterable[int]) -> set[int]:
    """The nodes that `outputs` depend on by these edges, themselves included."""
    graph, read = wiring_graph(edges), set(outputs)
    return read.union(*(nx.ancestors(graph, node) for node in read & set(graph)))


def live_edges(cell: Cell) -> list[Edge]:
    """The kept edges that lie on a path from an input of a cell to its output, without `none`."""
    passing = [edge for edge in cell.kept if edge.op != "none"]
    graph = wiring_graph(passing)
    fed = {edge.source for edge in cell.edges} - {edge.target for edge in cell.edges}
    fed = fed.union(*(nx.descendants(graph, node) for node in fed & set(graph)))
    read = read_by(passing, cell.concat)
    return [edge for edge in passing if edge.source in fed and edge.target in read]


def depths(graph: "nx.Graph[Any]") -> dict[Hashable, int]:
    """The number of edges on the longest path to every node of an acyclic directed graph, 0 without a predecessor."""
    return {node: at for at, nodes in enumerate(nx.topological_generations(graph)) for node in nodes}


def depth(cell: Cell) -> int:
    """The number of edges on the longest path from an input to a node of the output.

    Shu, Wang and Cai (ICLR 2020) count one more, from that node to the output.
    """
    found = depths(wiring_graph(cell.kept))
    return max(found.get(node, 0) for node in cell.concat)


def width(cell: Cell, inputs: int) -> float:
    """The sum over the intermediate nodes of the share of their edges that come from the cell's inputs.

    In widths of a node, as Shu, Wang and Cai (ICLR 2020) print it: 3.5 of DARTS' normal cell.
    """
    graph = wiring_graph(cell.kept)
    into = {node: [source for source, _ in graph.in_edges(node)] for node in cell.nodes}
    return float(sum(sum(source < inputs for source in sources) / len(sources) for sources in into.values()))


def paths_to_output(cell: Cell) -> dict[int, int]:
    """The number of directed paths from each node to the output; a node of the output ends one, and may begin more."""
    graph = wiring_graph(cell.kept)
    graph.add_nodes_from(cell.concat)
    found: dict[int, int] = {}
    for node in reversed(list(nx.topological_sort(graph))):
        found[node] = (node in cell.concat) + sum(found[target] for _, target in graph.out_edges(node))
    return found
