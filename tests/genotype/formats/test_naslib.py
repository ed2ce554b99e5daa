"""NASLib's compact form."""

import ast
import json

import pytest
from hypothesis import given

from ftso_cli.errors import GenotypeError
from ftso_cli.genotype import Genotype, formats, library
from ftso_cli.genotype.formats.naslib import OPERATORS
from tests.genotype.formats.cells import all_output, two_inputs, wiring

COMPACT = (
    ((0, 3), (1, 3), (0, 3), (1, 3), (1, 3), (0, 2), (0, 2), (2, 5)),
    ((0, 0), (1, 0), (2, 2), (1, 0), (0, 0), (2, 2), (2, 2), (1, 0)),
)
"""DARTS_V2 as NASLib's convert_genotype_to_compact makes it, by hand."""


@pytest.mark.parametrize("text", [str(COMPACT), json.dumps(COMPACT), str([list(cell) for cell in COMPACT])])
def test_the_compact_form_is_read(text: str) -> None:
    read = formats.import_genotype_text(text)
    assert (read.format, read.lost) == ("naslib", ())
    assert read.genotype.cells == library.load_genotype("darts_v2").cells


def test_the_compact_form_is_written() -> None:
    written = ast.literal_eval(formats.export_genotype_text(library.load_genotype("darts_v2"), "naslib")[0])
    for cell, expected in zip(written, COMPACT, strict=True):
        for at in range(0, 8, 2):
            assert sorted(cell[at : at + 2]) == sorted(expected[at : at + 2])


@given(two_inputs(nodes=(4, 4), operators=OPERATORS).map(all_output))
def test_any_wiring_that_it_can_hold_comes_back(genotype: Genotype) -> None:
    twice = any(
        edge.source == other.source
        for cell in genotype.cells.values()
        for node in cell.nodes
        for edge, other in [cell.inputs_of(node)]
    )
    if twice:
        with pytest.raises(GenotypeError, match="reads a node twice, which NASLib can't have"):
            formats.export_genotype_text(genotype, "naslib")
        return
    assert wiring(formats.import_genotype_text(formats.export_genotype_text(genotype, "naslib")[0]).genotype) == wiring(
        genotype
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("setn", "the normal cell has conv_3x1_1x3, which NASLib lacks"),
        ("snas_aggressive", "the reduce cell has none, which NASLib lacks"),
        ("pnasnet5", "NASLib's cells have nodes"),
        ("bayesnas_0.01", "NASLib text has two"),
        ("fairdarts_a", "node 3 of the normal cell has no inputs"),
    ],
)
def test_a_cell_that_it_cannot_hold_is_refused(name: str, message: str) -> None:
    with pytest.raises(GenotypeError, match=message):
        formats.export_genotype_text(library.load_genotype(name), "naslib")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1, 2, 3]", r"NASLib's compact form has two cells of eight pairs, not \[1, 2, 3\]"),
        ("[1, 2]", "the normal cell is a list, not 1"),
        ("[[[0, 1]], [[0, 1]]]", "the normal cell has 1 pairs, and NASLib's have 8"),
        (str(COMPACT).replace("(2, 5)", "(2, 7)"), r"an edge is \(source, operator 0..6\), not \[2, 7\]"),
        (str(COMPACT).replace("(2, 5)", "(2, -1)"), "an edge is"),
        (str(COMPACT).replace("(2, 5)", "(5, 5)"), "edge 5→5: a source must be an earlier node"),
        (str(COMPACT).replace("(2, 5)", "(2, 'a')"), "an edge is"),
    ],
)
def test_a_form_that_is_wrong_is_refused_with_the_reason(text: str, message: str) -> None:
    with pytest.raises(GenotypeError, match=message):
        formats.import_genotype_text(text)


def test_an_output_of_some_nodes_is_refused() -> None:
    whole = formats.import_genotype_text(str(COMPACT)).genotype
    cells = {kind: cell.model_copy(update={"concat": (3, 4, 5)}) for kind, cell in whole.cells.items()}
    with pytest.raises(GenotypeError, match="NASLib's cells have nodes"):
        formats.export_genotype_text(whole.replace(cells=cells), "naslib")
