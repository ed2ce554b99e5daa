"""The structure of pictures, as Graphviz reads it."""

import json
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest

from ftso_cli import drawing
from ftso_cli.genotype import About, Cell, Edge, Genotype, library
from ftso_cli.spaces import DARTS, OPERATORS
from tests.drawing.cells import DEEP, FULL, WIDE, cell, genotype, pruned, searched, weighed, with_beta
from tests.drawing.graphs import Picture, positions, read, size

SVG_TEXT = "{http://www.w3.org/2000/svg}text"


@pytest.mark.parametrize("name", ["darts_v2", "nasnet_a", "bayesnas_0.01", "snas_aggressive", "enas_released"])
@pytest.mark.parametrize("kind", ["normal", "reduce"])
def test_every_edge_of_a_cell_is_a_line_with_its_operator(name: str, kind: str) -> None:
    cell = library.load_genotype(name).cells[kind]
    wanted = [(str(edge.source), OPERATORS[edge.op or ""].label, str(edge.target)) for edge in cell.edges]
    assert read(drawing.dot(library.load_genotype(name))).through(kind) == sorted(wanted)


def test_two_edges_between_the_same_nodes_are_two_lines() -> None:
    through = read(drawing.dot(library.load_genotype("nasnet_a"))).through("normal")
    assert through.count(("0", "avg 3×3", "5")) == 2


def test_the_output_joins_the_concat_nodes_only() -> None:
    picture = read(drawing.dot(library.load_genotype("nasnet_a_tfslim_concat")))
    assert sources(picture, "normal_out") == {f"normal_{node}" for node in (0, 2, 3, 4, 5, 6)}
    assert sources(picture, "reduce_out") == {f"reduce_{node}" for node in (3, 4, 5, 6)}


def test_one_operator_everywhere_is_told_once_and_not_on_each_line() -> None:
    picture = read(drawing.dot(genotype(cell(WIDE, op="sep_conv_3x3"))))
    assert picture.through("normal") == []
    assert len(picture.between("normal_0", "normal_2")) == 1
    assert "operator: sep 3×3" in picture.attributes["label"]


def test_operators_stand_on_the_lines_where_the_two_cells_differ() -> None:
    both = genotype(cell(WIDE, op="sep_conv_3x3"), cell(WIDE, op="max_pool_3x3"))
    picture = read(drawing.dot(both))
    assert len(picture.through("normal")) == 8
    assert "operator" not in picture.attributes["label"]


def test_lines_grow_wider_with_beta() -> None:
    picture = read(drawing.dot(searched()))
    widths = [float(picture.between(f"normal_{source}", "normal_5")[0]["penwidth"]) for source in range(5)]
    assert widths == sorted(widths)
    assert widths[4] > 2 * widths[0]
    assert "line width: softmax of β" in picture.attributes["label"]


def test_lines_are_equally_wide_where_beta_was_not_searched() -> None:
    picture = read(drawing.dot(genotype(cell(FULL, op="skip_connect"))))
    widths = {edge["penwidth"] for edge in picture.edges if "penwidth" in edge and not edge["head"].endswith("_out")}
    assert len(widths) == 1
    assert "line width" not in picture.attributes["label"]


def test_pruned_edges_are_left_out_unless_asked_for() -> None:
    assert read(drawing.dot(pruned())).between("normal_0", "normal_5") == []


def test_pruned_edges_are_dotted_where_asked_for() -> None:
    picture = read(drawing.dot(pruned(), pruned=True))
    assert [edge["style"] for edge in picture.between("normal_0", "normal_5")] == ["dotted"]
    assert "style" not in picture.between("normal_4", "normal_5")[0]
    assert "dotted: pruned" in picture.attributes["label"]


def test_the_operator_none_is_dashed_grey() -> None:
    picture = read(drawing.dot(library.load_genotype("snas_aggressive")))
    nothing = next(name for name, node in picture.nodes.items() if node.get("label") == "none")
    lines = [edge for edge in picture.edges if nothing in (edge["tail"], edge["head"])]
    assert {(edge["style"], edge["color"]) for edge in lines} == {("dashed", "#BBBBBB")}


def test_an_edge_with_several_candidates_shows_the_strongest_and_its_share() -> None:
    assert {label for _, label, _ in read(drawing.dot(weighed())).through("normal")} == {"dil 5×5 24%"}


def test_an_input_that_nothing_reads_is_still_drawn() -> None:
    picture = read(drawing.dot(genotype(cell({2: (1,), 3: (1, 2)}, op="skip_connect"))))
    assert "normal_0" in picture.nodes


@pytest.mark.parametrize(("wiring", "beside"), [(WIDE, True), (DEEP, True), ({**DEEP, 6: (4, 5)}, False)])
def test_cells_stand_side_by_side_unless_they_are_too_deep_together(wiring: dict[int, list[int]], beside: bool) -> None:
    places = positions(drawing.dot(genotype(cell(wiring, op="skip_connect"))))
    assert (places["reduce_0"][0] > places["normal_out"][0]) == beside
    if not beside:
        assert places["normal_1"][1] > places["reduce_title"][1], "the normal cell is the upper one"


@pytest.mark.parametrize("name", ["darts_v2", "nasnet_a", "bayesnas_0.01", "pdarts", "setn"])
def test_headings_are_above_the_inputs_and_level_with_each_other(name: str) -> None:
    """Inputs are ordered from the top: heading, c_{k-2}, c_{k-1}."""
    places = positions(drawing.dot(library.load_genotype(name)))
    for kind in ("normal", "reduce"):
        assert places[f"{kind}_title"][1] > places[f"{kind}_0"][1] > places[f"{kind}_1"][1]
    if places["reduce_0"][0] > places["normal_out"][0]:
        assert places["normal_title"][1] == places["reduce_title"][1]


@pytest.mark.parametrize("name", sorted(library.files()))
def test_every_published_cell_fits_a_page_at_readable_size(name: str) -> None:
    """At most 10 inches wide, so that text of 10 points keeps 6 points in the 6 inches of a page."""
    width, height = size(drawing.dot(library.load_genotype(name)))
    assert width <= 10
    assert height <= 7


def test_the_title_is_that_of_the_file_unless_given_or_empty() -> None:
    cell = library.load_genotype("darts_v2")
    assert "DARTS (2nd order)" in read(drawing.dot(cell)).attributes["label"]
    assert read(drawing.dot(cell, title="Ours")).attributes["label"] == "<b>Ours</b>"
    assert read(drawing.dot(cell, title="")).attributes["label"] == ""


SVG_TAGS = {"svg", "g", "title", "polygon", "text", "path", "ellipse", "polyline"}

HOSTILE = [
    'A&B <b>x</b> "]; evil [label=x] %s',
    r"\N \G \n \\ \l",
    '<img src="/etc/passwd"/></font></b>',
    "&lt; &amp; &#60;script&#62;",
    "<script>alert(1)</script>",
    "-->]]><!--",
    "<<b>>",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_drawn_as_it_is_and_adds_nothing(name: str) -> None:
    found = genotype(cell(WIDE, op="sep_conv_3x3"), about=About(name="x", title=name))
    source = drawing.dot(found)
    harmless = read(drawing.dot(found, title="Ours"))
    assert list(read(source).nodes) == list(harmless.nodes)
    svg = ElementTree.fromstring(drawing.render_dot(source, "svg"))
    assert next(text.text for text in svg.iter(SVG_TEXT)) == name
    assert {element.tag.rpartition("}")[2] for element in svg.iter()} <= SVG_TAGS


def test_control_characters_in_a_name_leave_a_valid_picture() -> None:
    source = drawing.dot(genotype(cell(WIDE, op="sep_conv_3x3"), about=About(name="a\x00\x1b\ufffeb\nc")))
    texts = [text.text for text in ElementTree.fromstring(drawing.render_dot(source, "svg")).iter(SVG_TEXT)]
    assert texts[0] == "a b c"


def test_the_same_genotype_gives_the_same_text() -> None:
    assert drawing.dot(searched()) == drawing.dot(searched())


def test_a_cell_of_one_pruned_edge_and_an_input_as_output_can_be_drawn() -> None:
    odd = Cell(edges=(Edge(source=0, target=2, op="skip_connect", kept=False),), concat=(0,))
    picture = read(drawing.dot(genotype(odd, cell(WIDE, op="skip_connect"))))
    assert sources(picture, "normal_out") == {"normal_0"}
    assert "normal_2" not in picture.nodes


def test_fourteen_edges_with_their_own_operators_are_all_labelled() -> None:
    names = DARTS.operators[1:]
    edges = tuple(
        edge.model_copy(update={"op": names[index % len(names)]})
        for index, edge in enumerate(with_beta(cell(FULL, op="none")).edges)
    )
    found: Genotype = genotype(Cell(edges=edges, concat=(2, 3, 4, 5)))
    assert len(read(drawing.dot(found)).through("reduce")) == 14


def test_drawing_imports_no_torch() -> None:
    code = "import sys, ftso_cli.drawing as d; print([m for m in ('torch', 'numpy', 'PIL') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.replace("'", '"')) == []


def sources(picture: Picture, head: str) -> set[str]:
    """The nodes with a visible line to `head`."""
    return {edge["tail"] for edge in picture.edges if edge["head"] == head and edge.get("style") != "invis"}


def test_operators_get_room_before_a_crowded_column_of_nodes_only() -> None:
    """Eight operators and four nodes, all side by side in PC-DARTS' normal cell; its reduction cell is a chain."""
    picture = read(drawing.dot(library.load_genotype("pc_darts_cifar")))
    assert spans(picture, "normal") == {"2"}
    assert spans(picture, "reduce") == {"1"}


def spans(picture: Picture, kind: str) -> set[str]:
    """How many columns the lines from operators to nodes span at least."""
    return {edge.get("minlen") or "1" for edge in picture.edges if edge["tail"].startswith(f"{kind}_op")}
