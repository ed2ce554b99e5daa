"""Where the edges of a cell are drawn."""

import pytest

from ftso_cli.genotype import library
from ftso_cli.report.cell.arcs import WIDTH, arc_layout
from ftso_cli.spaces import SPACES


@pytest.mark.parametrize("name", library.files())
def test_no_two_labels_of_a_published_cell_meet(name: str) -> None:
    genotype = library.load_genotype(name)
    for cell in genotype.cells.values():
        edges = [(edge.source, edge.target) for edge in cell.kept]
        arcs = arc_layout(edges, cell.concat, SPACES[genotype.space].inputs).arcs
        for at, one in enumerate(arcs):
            assert 0 < one.x < WIDTH and one.y > 0
            assert all(abs(one.x - other.x) >= 40 or abs(one.y - other.y) >= 14 for other in arcs[:at])


def test_arcs_into_a_node_are_nested() -> None:
    arcs = arc_layout([(0, 3), (1, 3), (2, 3)], [3], 2).arcs
    ends = [float(arc.head.split("L")[1].split()[0]) for arc in arcs]
    assert ends[0] > ends[1] > ends[2]
    assert arcs[0].y < arcs[1].y < arcs[2].y


def test_cells_of_many_nodes_stay_within_bounds_and_lose_their_labels() -> None:
    edges = [(source, target) for target in range(2, 34) for source in range(target)]
    picture = arc_layout(edges, range(2, 34), 2)
    assert not picture.labelled and picture.height < 600
    assert len(picture.arcs) == len(edges)
