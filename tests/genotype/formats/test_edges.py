"""Edge lists."""

import json
from typing import Any

import pytest
from hypothesis import given

from ftso_cli.errors import GenotypeError
from ftso_cli.genotype import Genotype, formats, library, storage
from tests.genotype.formats.cells import WIRED, complete, wiring
from tests.nats import FTSO, genotype

CONTENT: dict[str, Any] = {
    "normal": [["sep_conv_3x3", 1, 2], ["skip_connect", 0, 2], ["max_pool_3x3", 0, 3], ["dil_conv_5x5", 2, 3]],
    "normal_concat": [3, 2],
    "reduce": [["max_pool_3x3", 0, 2], ["sep_conv_5x5", 1, 2]],
    "reduce_concat": [2],
}


def test_an_edge_list_is_read() -> None:
    read = formats.import_genotype_text(json.dumps(CONTENT))
    assert (read.format, read.lost) == ("edges", ())
    assert wiring(read.genotype) == WIRED


def test_an_edge_list_as_python_prints_it_is_read() -> None:
    assert wiring(formats.import_genotype_text(str(CONTENT)).genotype) == WIRED
    assert wiring(formats.import_genotype_text(str(CONTENT).replace("[3, 2]", "range(2, 4)")).genotype) == WIRED


def test_other_fields_are_left_out_and_named() -> None:
    assert formats.import_genotype_text(json.dumps({**CONTENT, "note": "x", "nodes": 2})).lost == ("'note'", "'nodes'")


def test_an_edge_out_of_a_node_that_nothing_feeds_is_kept_as_pruned() -> None:
    read = formats.import_genotype_text(
        json.dumps({**CONTENT, "normal": [*CONTENT["normal"], ["none", 4, 5], ["none", 5, 6]]})
    )
    pruned = [str(edge) for edge in read.genotype.cells["normal"].edges if not edge.kept]
    assert pruned == ["4→5", "5→6"]
    assert wiring(read.genotype) == WIRED
    assert read.lost == (
        "edge 4→5 of the normal cell (nothing feeds node 4: kept as pruned)",
        "edge 5→6 of the normal cell (nothing feeds node 5: kept as pruned)",
    )


def test_an_output_that_nothing_feeds_is_refused() -> None:
    with pytest.raises(GenotypeError, match="concat: node 4 doesn't exist"):
        formats.import_genotype_text(json.dumps({**CONTENT, "normal_concat": [2, 4]}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"normal": [["sep_conv_3x3", 0, 2], ["sep_conv_3x3", 0]]}, r"an edge is .* not \['sep_conv_3x3', 0\]"),
        ({"normal_concat": [[2]]}, "normal_concat lists nodes by number"),
        ({"normal": [["sep_conv_3x3", 0, 2, 5]]}, r"an edge is \[operator, source, target\] in an edge list, not"),
        ({"normal": [[0, "sep_conv_3x3", 2]]}, "an edge is"),
        ({"normal": {"a": 1}}, "the normal cell is no directed node-link graph"),
        ({"normal": []}, "cells.normal.edges"),
        ({"normal": [["sep_conv_3x3", 2, 2]]}, "edge 2→2: a source must be an earlier node"),
        ({"normal": [["sep_conv_3x3", 0, 1]]}, "node 1 is an input of the cell"),
        ({"normal": [["sep_conv_3x3", 0, 2]] * 5000}, "normal has 5000 entries, and no cell has more than 2048 edges"),
        ({"normal_concat": [2, 2]}, "lists a node twice"),
        ({"reduce_concat": [0, 2]}, "input 0 is larger than the output of a reduction cell"),
        ({"reduce_concat": None}, "reduce_concat is a list, not None"),
    ],
)
def test_an_edge_list_that_is_wrong_is_refused_with_the_reason(change: dict[str, Any], message: str) -> None:
    with pytest.raises(GenotypeError, match=message):
        formats.import_genotype_text(json.dumps({**CONTENT, **change}))


@given(complete())
def test_any_wiring_comes_back(genotype: Genotype) -> None:
    read = formats.import_genotype_text(formats.export_genotype_text(genotype, "edges")[0])
    assert read.format == "edges"
    assert wiring(read.genotype) == wiring(genotype)
    assert read.lost == ()


@given(complete())
def test_all_that_is_lost_is_named(genotype: Genotype) -> None:
    lost = formats.export_genotype_text(genotype, "edges")[1]
    edges = [edge for cell in genotype.cells.values() for edge in cell.edges]
    assert ("searched strengths" in lost) == any(
        value is not None for edge in edges for value in (edge.beta, edge.alpha, edge.beta_ops)
    )
    assert ("pruned edges" in lost) == any(not edge.kept for edge in edges)
    assert ("the history" in lost) == bool(genotype.history)
    assert ("the list of searched operators" in lost) == bool(genotype.searched_ops)
    assert ("the notes on where it is from" in lost) == (genotype.about is not None)


@pytest.mark.parametrize("name", library.files())
def test_every_library_cell_comes_back(name: str) -> None:
    genotype = library.load_genotype(name)
    assert wiring(formats.import_genotype_text(formats.export_genotype_text(genotype, "edges")[0]).genotype) == wiring(
        genotype
    )


@pytest.mark.parametrize("name", ["edges", "node-link"])
def test_a_cell_of_the_nats_space_comes_back_as_one(name: str) -> None:
    read = formats.import_genotype_text(formats.export_genotype_text(genotype(FTSO), name)[0])
    assert (read.format, read.genotype.space, read.lost) == (name, "nats", ())
    assert formats.export_genotype_text(read.genotype, "nats")[0].strip() == FTSO


@pytest.mark.parametrize("name", ["edges", "nni", "naslib", "darts"])
def test_a_format_that_holds_operators_is_named_where_they_are_missing(name: str, searched: Genotype) -> None:
    title = {"edges": "edge-list", "nni": "NNI", "naslib": "NASLib", "darts": "DARTS"}[name]
    with pytest.raises(GenotypeError, match=f"is not pruned, which {title} text needs"):
        formats.export_genotype_text(searched, name)


def test_a_genotype_file_needs_no_import() -> None:
    with pytest.raises(GenotypeError, match="is a genotype file already, and needs no import"):
        formats.import_genotype_text(storage.genotype_json(library.load_genotype("pdarts")))


def test_blanks_before_a_text_do_not_matter() -> None:
    assert wiring(formats.import_genotype_text(f" \n\t{json.dumps(CONTENT)}\n").genotype) == WIRED
