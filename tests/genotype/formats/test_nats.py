"""Architecture strings of NATS-Bench, in and out."""

import json

import pytest
from hypothesis import given

from ftso_cli.errors import FtsoError, GenotypeError
from ftso_cli.genotype import Cell, Edge, Genotype
from ftso_cli.genotype.formats import export_genotype_text, import_genotype_text
from tests.nats import FTSO, STRINGS, genotype, uniform

LOG = f"""[004-200] searched
Structure(4 nodes with |none~0|+|none~0|none~1|+|none~0|none~1|none~2|)
Structure(4 nodes with {FTSO})
"""


def test_the_parts_of_a_string_are_the_inputs_of_nodes_1_to_3() -> None:
    cell = genotype("|none~0|+|skip_connect~0|nor_conv_1x1~1|+|nor_conv_3x3~0|avg_pool_3x3~1|none~2|").cells["cell"]
    found = [(edge.source, edge.target, edge.op) for edge in cell.edges]
    assert found == [
        (0, 1, "none"),
        (0, 2, "skip_connect"),
        (1, 2, "nor_conv_1x1"),
        (0, 3, "nor_conv_3x3"),
        (1, 3, "avg_pool_3x3"),
        (2, 3, "none"),
    ]
    assert cell.concat == (3,)


@given(STRINGS)
def test_a_string_comes_back_as_it_was(text: str) -> None:
    read = import_genotype_text(f" {text}\n")
    assert (read.format, read.lost, read.genotype.space) == ("nats", (), "nats")
    assert export_genotype_text(read.genotype, "nats") == (f"{text}\n", ())


@given(STRINGS)
def test_the_same_as_nested_tuples_or_json_is_read(text: str) -> None:
    entries = [[entry.split("~") for entry in part.strip("|").split("|")] for part in text.split("+")]
    nodes = tuple(tuple((op, int(source)) for op, source in node) for node in entries)
    for written in (str(nodes), json.dumps(nodes)):
        read = import_genotype_text(written)
        assert (read.format, read.genotype) == ("nats", genotype(text))


def test_nested_tuples_of_another_space_are_refused_with_what_was_given() -> None:
    with pytest.raises(GenotypeError, match=r"an architecture string is .*, not \[\[\['none', 0\]\]\]"):
        import_genotype_text("((('none', 0),),)")


def test_a_string_is_found_in_the_log_of_a_search() -> None:
    assert import_genotype_text(LOG, pick="-1").genotype == genotype(FTSO)
    assert import_genotype_text(LOG.splitlines()[2]).genotype == genotype(FTSO)
    with pytest.raises(GenotypeError, match="no genotype in it"):
        import_genotype_text(f"five nodes: {FTSO}+|none~0|none~1|none~2|none~3|")
    with pytest.raises(GenotypeError, match=r"holds 2 genotypes: 1, 2; say which with --pick, -1 is the last"):
        import_genotype_text(LOG)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("|none~0|", r"an architecture string is \|op~0\|\+\|op~0\|op~1\|\+\|op~0\|op~1\|op~2\|, not '\|none~0\|'"),
        (FTSO + "+|none~0|none~1|none~2|none~3|", "an architecture string is"),
        (FTSO.replace("1x1~0", "1x1~1"), "the edge 0→3 is written op~0, not 'nor_conv_1x1~1'"),
        (FTSO.replace("1x1~0", "1x1"), "the edge 0→3 is written op~0, not 'nor_conv_1x1'"),
        (FTSO.replace("1x1", "5x5"), "edge 0→3: unknown operator 'nor_conv_5x5', did you mean nor_conv_3x3"),
        (FTSO.replace("nor_conv_1x1", "sep_conv_3x3"), "edge 0→3: unknown operator 'sep_conv_3x3'"),
    ],
)
def test_a_string_that_is_wrong_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(GenotypeError, match=reason):
        import_genotype_text(text)


def with_edges(*edges: Edge, concat: tuple[int, ...] = (3,)) -> Genotype:
    """A nats genotype of these edges."""
    return uniform("none").replace(cells={"cell": Cell(edges=edges, concat=concat)})


def test_an_edge_that_is_missing_or_pruned_is_none() -> None:
    edges = (Edge(source=0, target=3, op="skip_connect"), Edge(source=0, target=2, op="nor_conv_1x1", kept=False))
    text, lost = export_genotype_text(with_edges(*edges), "nats")
    assert text == "|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|\n"
    assert lost == ("pruned edges",)


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        (with_edges(Edge(source=0, target=4, op="none"), concat=(4,)), "edge 0→4 leads out of NATS-Bench"),
        (with_edges(Edge(source=0, target=2, op="none"), concat=(2,)), r"the output is nodes \[2\], and in NATS-Bench"),
        (with_edges(*[Edge(source=0, target=3, op="none")] * 2), "nodes 0 and 3 have several edges"),
    ],
)
def test_a_cell_outside_the_benchmark_has_no_string(cell: Genotype, reason: str) -> None:
    with pytest.raises(FtsoError, match=reason):
        export_genotype_text(cell, "nats")
