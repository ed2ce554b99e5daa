"""A cell as a graph of networkx, and back."""

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftso_cli.errors import GenotypeError
from ftso_cli.genotype import Cell, Edge, library
from ftso_cli.genotype.graph import depth, from_graph, read_by, to_graph, width
from tests.strategies import STAGES, cells

ANY_CELL = st.sampled_from(STAGES).flatmap(lambda stage: cells(stage=stage))


def cell(*edges: tuple[int, int], concat: tuple[int, ...], pruned: tuple[tuple[int, int], ...] = ()) -> Cell:
    """A cell of skip connections."""
    kept = [Edge(source=source, target=target, op="skip_connect") for source, target in edges]
    out = [Edge(source=source, target=target, op="skip_connect", kept=False) for source, target in pruned]
    return Cell(edges=(*kept, *out), concat=concat)


@given(ANY_CELL)
def test_a_cell_comes_back_from_its_graph_as_it_was(drawn: Cell) -> None:
    assert from_graph(to_graph(drawn)) == drawn


@given(ANY_CELL)
def test_a_cell_survives_the_formats_of_networkx(drawn: Cell) -> None:
    data = nx.node_link_data(to_graph(drawn), edges="edges")
    assert from_graph(nx.node_link_graph(data, edges="edges", multigraph=True, directed=True)) == drawn


@given(ANY_CELL)
def test_the_graph_has_every_edge_and_every_output_node(drawn: Cell) -> None:
    graph = to_graph(drawn)
    assert graph.number_of_edges() == len(drawn.edges)
    assert set(drawn.concat) <= set(graph)
    assert to_graph(drawn, kept_only=True).number_of_edges() == len(drawn.kept)
    assert nx.is_directed_acyclic_graph(graph)


def test_edges_carry_their_fields_and_nothing_that_is_absent() -> None:
    edge = Edge(source=0, target=2, alpha={"none": 0.5}, kept=False)
    graph = to_graph(Cell(edges=(edge,), concat=(2,)))
    assert list(graph.edges(data=True)) == [(0, 2, {"alpha": {"none": 0.5}, "kept": False})]


def test_an_input_that_is_passed_on_is_a_node_although_no_edge_touches_it() -> None:
    passing = cell((0, 2), concat=(1, 2))
    assert set(to_graph(passing)) == {0, 1, 2}
    assert from_graph(to_graph(passing)) == passing
    assert depth(passing) == 1


def test_two_edges_between_two_nodes_stay_two() -> None:
    assert to_graph(cell((0, 2), (0, 2), concat=(2,))).number_of_edges(0, 2) == 2


def test_the_output_reads_what_a_path_leads_from_and_no_other_node() -> None:
    wired = cell((0, 2), (1, 3), (2, 4), (0, 5), concat=(1, 4), pruned=((3, 4),))
    assert read_by(wired.kept, wired.concat) == {0, 1, 2, 4}


def test_a_graph_with_a_cycle_is_refused_with_the_cycle() -> None:
    graph = nx.MultiDiGraph([(0, 2, {"op": "none"}), (2, 3, {"op": "none"}), (3, 2, {"op": "none"})], concat=[3])
    with pytest.raises(GenotypeError, match=r"^the graph has a cycle: 2 → 3 → 2; a cell is acyclic$"):
        from_graph(graph)


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (nx.MultiDiGraph([(0, 2, {"op": "none"})]), "concat: has too few entries"),
        (nx.MultiDiGraph(concat=[0]), "edges: has too few entries"),
        (nx.MultiDiGraph([(0, 2, {"weight": 1})], concat=[2]), "weight: unknown field"),
        (nx.MultiDiGraph([("a", "b", {"op": "none"})], concat=[2]), "source: Input should be a valid integer"),
        (nx.MultiDiGraph([(0, 64, {"op": "none"})], concat=[2]), "target: Input should be less than 64"),
    ],
)
def test_a_graph_that_is_no_cell_is_refused(graph: "nx.MultiDiGraph[int]", message: str) -> None:
    with pytest.raises(GenotypeError, match=f"^the graph is no cell: {message}"):
        from_graph(graph)


@pytest.mark.parametrize(
    ("given_cell", "expected"),
    [
        (cell((0, 2), (1, 3), concat=(2, 3)), 1),
        (cell((0, 2), (2, 3), (3, 4), (0, 4), concat=(4,)), 3),
        (cell((0, 2), (0, 2), (2, 3), (2, 3), concat=(3,)), 2),
        # Nodes 3 and 4 feed nothing.
        (cell((0, 2), (2, 3), (3, 4), concat=(2,)), 1),
        (cell((0, 2), (2, 3), concat=(0,)), 0),
        # The long way has been pruned.
        (cell((0, 2), (0, 3), concat=(2, 3), pruned=((2, 3),)), 1),
    ],
)
def test_depth_is_the_longest_way_from_an_input_to_the_output(given_cell: Cell, expected: int) -> None:
    assert depth(given_cell) == expected


@given(ANY_CELL)
def test_depth_is_what_walking_every_path_finds(drawn: Cell) -> None:
    longest = dict.fromkeys(range(64), 0)
    for edge in drawn.kept:
        longest[edge.target] = max(longest[edge.target], longest[edge.source] + 1)
    assert depth(drawn) == max(longest[node] for node in drawn.concat)


@pytest.mark.parametrize(
    ("name", "published_width", "published_depth"),
    [("nasnet_a", 5, 2), ("amoebanet_a", 4, 4), ("enas", 5, 2), ("darts_v2", 3.5, 3), ("snas_mild", 4, 2)],
)
def test_width_and_depth_are_the_published_ones(name: str, published_width: float, published_depth: int) -> None:
    """Shu, Wang and Cai, 2020, figure 1; they count the step to the output, too."""
    normal = library.load_genotype(name).cells["normal"]
    assert (width(normal, 2), depth(normal) + 1) == (published_width, published_depth)
