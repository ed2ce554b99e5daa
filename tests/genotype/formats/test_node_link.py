"""Node-link JSON, against networkx."""

import json
from typing import Any

import networkx as nx
import pytest
from hypothesis import given

from ftso_cli.errors import GenotypeError
from ftso_cli.genotype import Genotype, formats, library
from ftso_cli.genotype.graph import from_graph, to_graph
from tests.strategies import genotypes


@given(genotypes())
def test_everything_about_the_cells_comes_back(genotype: Genotype) -> None:
    read = formats.import_genotype_text(formats.export_genotype_text(genotype, "node-link")[0])
    assert read.format == "node-link"
    assert read.genotype.cells == genotype.cells
    assert read.genotype.stage == genotype.stage
    assert read.genotype.searched_ops == genotype.searched_ops


@given(genotypes())
def test_what_is_lost_beside_the_cells_is_named(genotype: Genotype) -> None:
    lost = formats.export_genotype_text(genotype, "node-link")[1]
    assert ("the history" in lost, "the notes on where it is from" in lost) == (
        bool(genotype.history),
        genotype.about is not None,
    )
    assert len(lost) <= 2


@given(genotypes())
def test_networkx_reads_the_graph_that_ftso_makes(genotype: Genotype) -> None:
    content = json.loads(formats.export_genotype_text(genotype, "node-link")[0])
    for kind, cell in genotype.cells.items():
        graph = nx.node_link_graph(content[kind], edges="edges")
        assert graph.is_directed() and graph.is_multigraph()
        assert from_graph(graph) == cell
        assert nx.utils.graphs_equal(graph, to_graph(cell))


@pytest.mark.parametrize("edges", ["edges", "links"])
@pytest.mark.parametrize("name", library.files())
def test_what_networkx_writes_is_read(name: str, edges: str) -> None:
    genotype = library.load_genotype(name)
    content = {kind: nx.node_link_data(to_graph(cell), edges=edges) for kind, cell in genotype.cells.items()}
    assert formats.import_genotype_text(json.dumps(content)).genotype.cells == genotype.cells


def content() -> dict[str, Any]:
    """A library cell as node-link JSON."""
    made: dict[str, Any] = json.loads(formats.export_genotype_text(library.load_genotype("pdarts"), "node-link")[0])
    return made


def test_graphs_that_are_wrong_are_refused_with_the_reason() -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"directed": False}, "the normal cell is no directed node-link graph"),
        ({"graph": []}, "graph of the normal cell is a dictionary"),
        ({"graph": {}}, "graph of the normal cell lacks concat"),
        ({"edges": None}, "edges of the normal cell is a list, not None"),
        ({"edges": [3]}, "an edge is an object with source and target, not 3"),
        ({"edges": [{"source": 0}]}, r"cells.normal.edges\[0\].target: is missing"),
        ({"edges": [{"source": 0, "target": 2, "op": "none", "weight": 3}]}, "weight: unknown field"),
        ({"edges": [{"source": 3, "target": 2, "op": "none"}]}, "edge 3→2: a source must be an earlier node"),
    ]
    for change, message in wrong:
        broken = content()
        broken["normal"] |= change
        with pytest.raises(GenotypeError, match=message):
            formats.import_genotype_text(json.dumps(broken))


def test_a_graph_of_one_kind_only_is_refused() -> None:
    broken = content()
    del broken["reduce"]
    with pytest.raises(GenotypeError, match="node-link JSON lacks reduce"):
        formats.import_genotype_text(json.dumps(broken))


def test_every_node_stands_in_the_graph_also_one_that_is_no_output() -> None:
    made = json.loads(formats.export_genotype_text(library.load_genotype("pc_darts_cifar"), "node-link")[0])
    assert [node["id"] for node in made["normal"]["nodes"]] == [0, 1, 2, 3, 4, 5]
    assert made["normal"]["multigraph"] is True
