"""Cells in the terminal: what is there, at which width, with and without colour."""

import io

import pytest
from rich.console import Console

from ftso_cli import drawing
from ftso_cli.drawing.terminal import Bar
from ftso_cli.genotype import About, Genotype, library
from tests.drawing.cells import WIDE, cell, genotype, pruned, searched, weighed


def printed(found: Genotype, width: int = 80, encoding: str = "utf-8", **settings: bool) -> list[str]:
    """The lines that a terminal of `width` columns shows, without colour."""
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding)
    Console(file=file, width=width, highlight=False).print(drawing.text(found, **settings))
    file.flush()
    return raw.getvalue().decode(encoding).splitlines()


def test_every_edge_is_listed_with_its_node_input_and_operator() -> None:
    lines = printed(library.load_genotype("darts_v2"), width=50)
    assert [line.split() for line in lines[3:6]] == [
        ["2", "0", "c_{k-2}", "sep_conv_3x3"],
        ["1", "c_{k-1}", "sep_conv_3x3"],
        ["3", "0", "c_{k-2}", "sep_conv_3x3"],
    ]
    assert lines[0].rstrip() == "DARTS (2nd order)"
    assert ["2", "dil_conv_3x3"] in [line.split() for line in lines]
    assert [line.split() for line in lines].count(["out", "2,", "3,", "4,", "5"]) == 2


def test_both_cells_stand_side_by_side_where_80_columns_are_enough() -> None:
    lines = printed(library.load_genotype("darts_v2"))
    assert lines[1].split() == ["Normal", "cell", "Reduction", "cell"]


@pytest.mark.parametrize("found", [searched(), pruned(), weighed(), library.load_genotype("nasnet_a")])
@pytest.mark.parametrize("width", [40, 80, 200])
def test_no_line_is_wider_than_the_terminal(found: Genotype, width: int) -> None:
    assert max(map(len, printed(found, width, pruned=True))) <= width


def test_nothing_is_cut_at_80_columns() -> None:
    for found in (searched(), pruned(), weighed(), *(library.load_genotype(name) for name in library.files())):
        assert "…" not in "".join(printed(found, pruned=True))


def test_the_share_of_an_edge_has_a_bar_that_grows_with_it() -> None:
    rows = [line for line in printed(searched()) if "skip_connect" in line]
    filled = [row.count("█") for row in rows[9:14]]
    assert filled == sorted(filled)
    assert filled[-1] > filled[0]
    assert rows[0].split()[-1] == "0.3775"


def test_a_cell_that_was_not_searched_has_no_shares() -> None:
    assert "share" not in "".join(printed(library.load_genotype("darts_v2")))


def test_pruned_edges_are_listed_only_where_asked_for() -> None:
    assert "pruned" not in "".join(printed(pruned()))
    assert "".join(printed(pruned(), pruned=True)).count("pruned") == 12


def test_several_candidates_show_the_strongest_and_its_share() -> None:
    assert "dil_conv_5x5 24%" in "".join(printed(weighed()))


def test_a_terminal_without_block_signs_gets_number_signs() -> None:
    text = "\n".join(printed(searched(), encoding="ascii"))
    assert "#" in text
    assert text.isascii()


@pytest.mark.parametrize(
    ("share", "bar"), [(0.0, "         0.0000"), (0.5, "████     0.5000"), (1.0, "████████ 1.0000")]
)
def test_a_bar_is_as_long_as_the_share(share: float, bar: str) -> None:
    console = Console(file=io.StringIO(), width=40)
    with console.capture() as capture:
        console.print(Bar(share))
    assert capture.get().rstrip("\n") == bar


def test_colour_is_used_on_a_terminal_and_not_where_it_is_unwanted(monkeypatch: pytest.MonkeyPatch) -> None:
    def shown() -> str:
        console = Console(force_terminal=True, color_system="truecolor", width=80, file=io.StringIO())
        with console.capture() as capture:
            console.print(drawing.text(library.load_genotype("darts_v2")))
        return capture.get()

    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "38;2;0;114;178" in shown()
    monkeypatch.setenv("NO_COLOR", "1")
    assert "38;2" not in shown()


def test_a_hostile_name_reaches_the_terminal_without_its_commands() -> None:
    hostile = genotype(cell(WIDE, op="sep_conv_3x3"), about=About(name="\x1b[2J[bold]x[/bold]\x07"))
    assert printed(hostile)[0].rstrip() == "[2J[bold]x[/bold]"
