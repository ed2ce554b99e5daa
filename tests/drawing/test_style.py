"""What is drawn of an edge: the colours can be told apart, the strongest candidate is shown, names are harmless."""

import itertools
import math

import pytest

from ftso_cli.drawing.style import COLOURS, OTHER, TITLE_WIDTH, edge_lines, nodes, printable
from ftso_cli.genotype import Cell, Edge
from ftso_cli.spaces import OPERATORS
from tests.drawing.cells import WIDE, cell, genotype, pruned, searched, weighed

SEEN = {
    "no colour blindness": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": ((0.1523, 1.0526, -0.2049), (0.1145, 0.7863, 0.0992), (-0.0039, -0.0481, 1.0520)),
    "deuteranopia": ((0.3673, 0.8606, -0.2280), (0.2801, 0.6725, 0.0474), (-0.0118, 0.0429, 0.9689)),
    "tritanopia": ((1.2555, -0.0767, -0.1788), (-0.0784, 0.9308, 0.1476), (0.0047, 0.6914, 0.3039)),
}
"""Linear RGB as it is seen (Machado, Oliveira and Fernandes, 2009, severity 1)."""


@pytest.mark.parametrize("seen", SEEN)
def test_the_colours_of_operator_families_differ_for_every_common_colour_blindness(seen: str) -> None:
    """A difference of 2.3 in CIE Lab is just noticeable; lines of 1.4 points need several times that."""
    places = {colour: _lab(colour, SEEN[seen]) for colour in COLOURS.values()}
    for first, second in itertools.combinations(places, 2):
        assert math.dist(places[first], places[second]) > 14, f"{first} and {second}"


def test_every_operator_has_the_colour_of_a_family() -> None:
    assert all(name.split("_")[0] in COLOURS for name in OPERATORS)


def test_pruned_edges_are_left_out_unless_asked_for() -> None:
    assert len(edge_lines(pruned(), "normal", pruned=False)) == 8
    assert [line.kept for line in edge_lines(pruned(), "normal", pruned=True)].count(False) == 6


def test_shares_count_pruned_edges_too() -> None:
    before = {(line.source, line.target): line.share for line in edge_lines(searched(), "normal", pruned=False)}
    for line in edge_lines(pruned(), "normal", pruned=False):
        assert line.share == before[line.source, line.target]
    assert before[1, 2] == pytest.approx(math.exp(0.5) / (1 + math.exp(0.5)))


def test_the_strongest_candidate_that_a_cell_may_carry_is_shown_with_its_share_of_all() -> None:
    line = edge_lines(weighed(), "normal", pruned=False)[0]
    chance = math.exp(1) / (math.exp(0) + math.exp(1) + math.exp(2))
    assert (line.op, line.label) == ("dil_conv_5x5", f"dil 5×5 {chance:.0%}")
    assert line.chance == pytest.approx(chance)


def test_candidates_that_no_cell_may_carry_are_shown_where_there_is_no_other() -> None:
    alone = genotype(cell(WIDE, alpha={"none": 1.0}), stage="pruned")
    assert edge_lines(alone, "reduce", pruned=False)[0].label == "none 100%"


def test_extreme_parameters_give_shares_and_no_overflow() -> None:
    edges = (
        Edge(source=0, target=2, beta=1e100, alpha={"skip_connect": 1e100, "none": -1e100}),
        Edge(source=1, target=2, beta=-1e100, alpha={"skip_connect": 0.0}),
    )
    drawn = edge_lines(genotype(Cell(edges=edges, concat=(2,)), stage="pruned"), "normal", pruned=False)
    assert [(line.share, line.chance) for line in drawn] == [(1.0, 1.0), (0.0, 1.0)]


def test_a_node_that_only_pruned_edges_reach_is_drawn_with_them() -> None:
    edges = (
        Edge(source=0, target=2, op="skip_connect"),
        Edge(source=2, target=3, op="skip_connect", kept=False),
    )
    two = Cell(edges=edges, concat=(2,))
    assert nodes(two, edge_lines(genotype(two), "normal", pruned=False), 2) == [2]
    assert nodes(two, edge_lines(genotype(two), "normal", pruned=True), 2) == [2, 3]


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("DARTS (2nd order)", "DARTS (2nd order)"),
        ("two\nlines\tand a tab", "two lines and a tab"),
        ("\x1b[31mred\x00", "[31mred"),
        ("left\u202eright", "left right"),
        ("x" * 500, "x" * (TITLE_WIDTH - 1) + "…"),
        ("  ", ""),
    ],
)
def test_names_lose_control_characters_and_excess_length(raw: str, clean: str) -> None:
    assert printable(raw) == clean


def _lab(colour: str, seen: tuple[tuple[float, ...], ...]) -> tuple[float, float, float]:
    """A colour #RRGGBB in CIE Lab, D65, as it is seen."""
    signal = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in signal]
    eye = [min(1.0, max(0.0, sum(map(math.prod, zip(row, linear, strict=True))))) for row in seen]
    xyz = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))
    white = (0.9505, 1.0, 1.089)
    ratios = [sum(map(math.prod, zip(row, eye, strict=True))) / top for row, top in zip(xyz, white, strict=True)]
    x, y, z = (ratio ** (1 / 3) if ratio > 0.008856 else 7.787 * ratio + 16 / 116 for ratio in ratios)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def luminance(colour: str) -> float:
    """The relative luminance of #RRGGBB, as WCAG 2 defines it."""
    parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("colour", sorted({*COLOURS.values(), OTHER} - {COLOURS["none"]}))
def test_operators_are_legible_on_light_and_on_dark_ground(colour: str) -> None:
    """A contrast of 3, which WCAG 2 asks of graphics, on white and on the dark grey of a terminal; `none` is pale."""
    light, own, dark = luminance("#FFFFFF"), luminance(colour), luminance("#1E1E1E")
    assert (light + 0.05) / (own + 0.05) >= 3 and (own + 0.05) / (dark + 0.05) >= 3
