"""`ftso draw`: which files it writes, what it prints, and what it refuses."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ftso_cli import drawing
from ftso_cli.cli.app import app
from ftso_cli.genotype import library, storage
from ftso_cli.settings.pictures import PICTURES
from tests.drawing.cells import pruned, searched


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a searched cell in it."""
    monkeypatch.chdir(tmp_path)
    storage.write_genotype(searched(), tmp_path / "cell.json")
    return tmp_path


def draw(*words: str, status: int = 0, stdin: bytes | None = None) -> Result:
    result = CliRunner().invoke(app, ["draw", *words], input=stdin)
    assert result.exit_code == status, result.output
    return result


def files(folder: Path) -> list[str]:
    """The files in a folder that were not there before."""
    return sorted(path.name for path in folder.iterdir() if path.name != "cell.json")


def test_a_bare_command_draws_in_the_terminal_and_writes_an_svg(folder: Path) -> None:
    result = draw("cell.json")
    assert "Normal cell" in result.stdout
    assert "skip_connect" in result.stdout
    assert result.stdout.endswith("wrote cell.svg\nnext: ftso prune cell.json\n")
    assert (folder / "cell.svg").read_bytes() == drawing.render_dot(drawing.dot(searched(), title="cell"), "svg")
    assert files(folder) == ["cell.svg"]


def test_a_published_cell_is_drawn_by_its_name_in_the_current_folder(folder: Path) -> None:
    assert "next: ftso cost darts_v2\n" in draw("darts_v2").stdout
    assert "DARTS (2nd order)" in (folder / "darts_v2.svg").read_text(encoding="utf-8")


def test_a_name_with_a_dot_keeps_what_is_behind_it(folder: Path) -> None:
    draw("bayesnas_0.01")
    assert files(folder) == ["bayesnas_0.01.svg"]


@pytest.mark.parametrize(
    ("name", "signature"),
    [("a.svg", b"<?xml"), ("a.PNG", b"\x89PNG\r\n"), ("a.dot", b"digraph"), ("a.gv", b"digraph")],
)
def test_the_suffix_says_the_format(folder: Path, name: str, signature: bytes) -> None:
    result = draw("cell.json", "-o", name)
    assert result.stdout == f"wrote {name}\nnext: ftso prune cell.json\n"
    assert (folder / name).read_bytes().startswith(signature)


def test_every_format_that_can_be_drawn_has_a_suffix() -> None:
    assert PICTURES == drawing.FORMATS


def test_the_format_can_be_named(folder: Path) -> None:
    draw("cell.json", "--format", "png")
    draw("cell.json", "-f", "dot", "-o", "picture")
    assert files(folder) == ["cell.png", "picture"]
    assert (folder / "picture").read_bytes().startswith(b"digraph")


def test_the_text_for_graphviz_goes_to_stdout(folder: Path) -> None:
    assert draw("cell.json", "-o", "-").stdout == drawing.dot(searched(), title="cell")
    assert draw("cell.json", "-o", "-", "-f", "png").stdout_bytes.startswith(b"\x89PNG")
    assert files(folder) == []


def test_a_cell_on_stdin_is_called_cell(folder: Path) -> None:
    result = draw("-", stdin=(folder / "cell.json").read_bytes())
    assert result.stdout.endswith("wrote cell.svg\n")


def test_the_terminal_only_writes_nothing(folder: Path) -> None:
    result = draw("cell.json", "--terminal")
    assert "skip_connect" in result.stdout
    assert "wrote" not in result.stdout
    assert files(folder) == []


def test_many_cells_are_drawn_into_a_folder_that_is_made(folder: Path) -> None:
    result = draw("cell.json", "darts_v2", "pdarts", "--out-dir", "new/figures", "--format", "png")
    assert files(folder / "new" / "figures") == ["cell.png", "darts_v2.png", "pdarts.png"]
    assert result.stdout.count("wrote new/figures/") == 3
    assert "skip_connect" not in result.stdout


def test_cells_of_the_same_name_get_their_folder_before_it(folder: Path) -> None:
    for name in ("one", "two"):
        (folder / name).mkdir()
        storage.write_genotype(searched(), folder / name / "cell.json")
    draw("one/cell.json", "two/cell.json", "darts_v2", "--out-dir", "out")
    assert files(folder / "out") == ["darts_v2.svg", "one-cell.svg", "two-cell.svg"]


def test_the_same_cell_twice_is_refused(folder: Path) -> None:
    assert "another cell would be drawn as" in draw("cell.json", "./cell.json", status=1).stderr
    assert files(folder) == []


def test_pruned_edges_are_shown_where_asked_for(folder: Path) -> None:
    storage.write_genotype(pruned(), folder / "cell.json")
    assert "pruned" not in draw("cell.json", "-o", "-").stdout
    assert "dotted: pruned" in draw("cell.json", "--pruned", "-o", "-").stdout
    assert "pruned" in draw("cell.json", "--pruned", "--terminal").stdout


def test_the_title_can_be_replaced_and_left_out(folder: Path) -> None:
    assert "<b>Ours</b>" in draw("darts_v2", "--title", "Ours", "-o", "-").stdout
    assert "<b>" not in draw("darts_v2", "--title", "", "-o", "-").stdout


def test_json_names_the_files_and_prints_nothing_else(folder: Path) -> None:
    result = draw("cell.json", "darts_v2", "--json", "--format", "dot")
    assert json.loads(result.stdout) == {
        "files": [
            {"cell": "cell.json", "file": "cell.dot", "format": "dot"},
            {"cell": "darts_v2", "file": "darts_v2.dot", "format": "dot"},
        ]
    }
    assert result.stderr == ""


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("-o", "a.jpeg"), "a.jpeg: unknown picture suffix '.jpeg', did you mean .png? Known: .svg, .png,"),
        (("-o", "a"), "a: unknown picture suffix ''. Known"),
        (("--format", "svgz"), "unknown picture format 'svgz', did you mean svg?"),
        (("-o", "a.svg", "--format", "png"), "a.svg says svg and --format says png"),
        (("-o", "a.svg", "--out-dir", "b"), "give one of them"),
        (("darts_v2", "-o", "a.svg"), "there are 2 cells; use --out-dir DIR"),
        (("-o", "missing/a.svg"), "missing/a.svg: there is no folder missing; make it first"),
        (("-o", "a.svg/"), "a.svg: can't be written (Is a directory)"),
        (("--out-dir", "cell.json"), "cell.json: can't be made a folder"),
        (("--terminal", "-o", "a.svg"), "--terminal writes no file"),
        (("--terminal", "--json"), "--terminal writes no file"),
        (("--json", "-o", "-"), "both print on stdout"),
        (("-", "-"), "read only once"),
        (("no_such_cell",), "no such file and no published cell"),
    ],
)
def test_what_can_not_be_done_is_told_on_one_line(folder: Path, words: tuple[str, ...], error: str) -> None:
    (folder / "a.svg").mkdir()
    result = draw("cell.json", *words, status=1)
    assert error in result.stderr
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1


def test_a_folder_that_can_not_be_written_leaves_no_file(folder: Path) -> None:
    """/proc takes no files from anyone, not even from root."""
    if not Path("/proc/self").is_dir():
        pytest.skip("no /proc on this system")
    assert "/proc/a.svg: can't be written" in draw("cell.json", "-o", "/proc/a.svg", status=1).stderr


def test_pdf_without_graphviz_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(folder))
    assert "pdf needs the program dot" in draw("cell.json", "-o", "a.pdf", status=1).stderr
    assert files(folder) == []


def test_an_old_picture_is_replaced(folder: Path) -> None:
    (folder / "cell.svg").write_text("old")
    draw("cell.json")
    assert (folder / "cell.svg").read_bytes().startswith(b"<?xml")


def test_the_help_shows_examples() -> None:
    assert "ftso draw cell.json -o cell.pdf" in " ".join(draw("--help").stdout.split())


@pytest.mark.parametrize("name", sorted(library.files()))
def test_every_published_cell_can_be_drawn(name: str, folder: Path) -> None:
    assert f"wrote {name}.svg" in draw(name).stdout


def test_a_fresh_process_draws_without_torch_or_numpy(folder: Path) -> None:
    code = (
        "import sys\nfrom ftso_cli.cli.app import app\n"
        "try:\n    app(['draw', 'cell.json'])\n"
        "except SystemExit as end:\n    assert not end.code, end.code\n"
        "print([m for m in ('torch', 'torchvision', 'numpy', 'PIL', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
