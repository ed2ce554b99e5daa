"""Pictures made by the programs on this machine, and what is said where there is none."""

import shutil
import struct
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from ftso_cli import drawing
from ftso_cli.errors import DrawingError
from ftso_cli.genotype import library
from ftso_cli.spaces import OPERATORS
from tests.drawing.cells import WIDE, cell, genotype, searched
from tests.processes import HANG

NO_DOT = "no Graphviz on this machine"


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all of PATH and the home of Python: no program is found but what a test puts there."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    return tmp_path


def script(folder: Path, name: str, body: str) -> None:
    """An executable shell script."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


@pytest.mark.parametrize("name", ["darts_v2", "nasnet_a", "amoebanet_a", "setn"])
def test_svg_shows_every_operator_and_runs_nothing(name: str) -> None:
    found = library.load_genotype(name)
    svg = ElementTree.fromstring(drawing.render_dot(drawing.dot(found), "svg"))
    texts = {text.text for text in svg.iter("{http://www.w3.org/2000/svg}text")}
    operators = {edge.op for cell in found.cells.values() for edge in cell.edges}
    assert {OPERATORS[op].label for op in operators if op} <= texts
    assert {"Normal cell", "Reduction cell", "k\u22122", "k\u22121", "2", "5"} <= texts
    assert not {element.tag.rpartition("}")[2] for element in svg.iter()} & {"script", "image", "a", "foreignObject"}


def test_png_has_the_resolution_of_print() -> None:
    source = drawing.dot(searched())
    png = drawing.render_dot(source, "png")
    svg = ElementTree.fromstring(drawing.render_dot(source, "svg"))
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, _ = struct.unpack(">II", png[16:24])
    assert width == pytest.approx(float(svg.attrib["width"].removesuffix("pt")) / 72 * 200, rel=0.01)


def test_dot_is_the_text_itself() -> None:
    source = drawing.dot(searched())
    assert drawing.render_dot(source, "dot") == source.encode()


def test_the_same_text_gives_the_same_bytes() -> None:
    source = drawing.dot(searched())
    assert drawing.render_dot(source, "png") == drawing.render_dot(source, "png")


@pytest.mark.skipif(shutil.which("dot") is None, reason=NO_DOT)
def test_pdf_is_a_pdf() -> None:
    assert drawing.render_dot(drawing.dot(searched()), "pdf").startswith(b"%PDF-")


@pytest.mark.skipif(shutil.which("dot") is None, reason=NO_DOT)
@pytest.mark.parametrize("format", ["svg", "png"])
def test_the_systems_dot_draws_where_graphviz_pure_is_missing(
    format: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dot").symlink_to(shutil.which("dot") or "")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert drawing.render_dot(drawing.dot(searched()), format)


def test_another_format_is_refused_with_the_known_ones() -> None:
    with pytest.raises(DrawingError, match=r"unknown picture format 'jpeg'.* Known: svg, png, pdf, dot"):
        drawing.render_dot("digraph {}", "jpeg")


def test_pdf_without_dot_says_what_to_install_and_what_works(bare: Path) -> None:
    with pytest.raises(DrawingError, match=r"pdf needs the program dot.*install Graphviz.*svg or png"):
        drawing.render_dot("digraph {}", "pdf")


def test_without_any_program_the_error_names_both(bare: Path) -> None:
    with pytest.raises(DrawingError, match=r"svg needs the program graphviz-pure \(pip install graphviz-pure\) or dot"):
        drawing.render_dot("digraph {}", "svg")


def test_dot_on_the_path_draws_where_graphviz_pure_is_missing(bare: Path) -> None:
    script(bare, "dot", 'read -r line; echo "$1 $2 $line"')
    assert drawing.render_dot("digraph {}\n", "pdf") == b"-Tpdf  digraph {}\n"
    assert drawing.render_dot("digraph {}\n", "png") == b"-Tpng -Gdpi=200 digraph {}\n"


def test_graphviz_pure_comes_before_dot(bare: Path) -> None:
    script(bare, "dot", "echo dot")
    script(bare, "graphviz-pure", "echo pure")
    assert drawing.render_dot("digraph {}", "svg") == b"pure\n"
    assert drawing.render_dot("digraph {}", "pdf") == b"dot\n"


def test_a_program_that_hangs_is_ended(bare: Path) -> None:
    script(bare, "dot", "exec /bin/sleep 60")
    with pytest.raises(DrawingError, match=r"dot took longer than 0\.2 s to draw"):
        drawing.render_dot("digraph {}", "pdf", timeout=0.2)


def test_a_program_that_fails_gives_its_first_error(bare: Path) -> None:
    script(bare, "dot", 'echo "Warning: no font" >&2; echo "Format: pdf not recognized" >&2; exit 1')
    with pytest.raises(DrawingError, match="dot can't make pdf: Format: pdf not recognized"):
        drawing.render_dot("digraph {}", "pdf")


def test_a_program_that_prints_nothing_has_failed(bare: Path) -> None:
    script(bare, "dot", "exit 0")
    with pytest.raises(DrawingError, match="dot can't make pdf: exit status 0"):
        drawing.render_dot("digraph {}", "pdf")


def test_a_program_that_is_no_program_is_told(bare: Path) -> None:
    (bare / "dot").write_bytes(b"\x00\x01")
    (bare / "dot").chmod(0o755)
    with pytest.raises(DrawingError, match="dot can't be started"):
        drawing.render_dot("digraph {}", "pdf")


def test_dot_text_that_graphviz_refuses_gives_one_line() -> None:
    with pytest.raises(DrawingError, match=r"can't make svg: .*syntax error") as caught:
        drawing.render_dot("digraph {", "svg")
    assert "\n" not in str(caught.value)


def test_a_large_cell_is_drawn_in_time() -> None:
    """As many nodes as twelve intermediate ones with all their edges: 90 edges a cell."""
    wiring = {node: range(node) for node in range(2, 14)}
    assert drawing.render_dot(drawing.dot(genotype(cell(wiring, op="skip_connect"))), "svg", timeout=HANG)


def test_wide_cells_are_drawn_with_every_node() -> None:
    svg = drawing.render_dot(drawing.dot(genotype(cell(WIDE, op="sep_conv_3x3"))), "svg").decode()
    assert svg.count("<ellipse") == 8
