"""`ftso import` and `ftso export`: from files, standard input and quoted text, and what they say about losses."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ftso_cli.cli.app import app
from ftso_cli.genotype import Genotype, formats, library, storage
from tests.forks import run_ftso
from tests.genotype.formats.test_darts import FAIRDARTS_C, SEVERAL, TEXT
from tests.nats import FTSO
from tests.processes import modules_imported_by

OF_DARTS = [name for name, one in formats.FORMATS.items() if "darts" in one.spaces]
OF_NATS = [name for name, one in formats.FORMATS.items() if "nats" in one.spaces]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, empty."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ftso(*words: str, status: int = 0, stdin: str | bytes | None = None) -> Result:
    result = CliRunner().invoke(app, list(words), input=stdin)
    assert result.exit_code == status, result.output
    return result


# import


def test_a_file_is_imported_into_a_genotype_file(folder: Path) -> None:
    Path("found.txt").write_text(TEXT)
    result = ftso("import", "found.txt", "-o", "cell.json")
    assert result.stdout == "wrote cell.json, from DARTS text\nnext: ftso draw cell.json\n"
    assert result.stderr == ""
    genotype = storage.read_genotype(folder / "cell.json")
    assert genotype.cells == formats.import_genotype_text(TEXT).genotype.cells
    assert [(step.command, step.settings) for step in genotype.history] == [("import", {"format": "darts"})]
    assert len(genotype.times) == 1


def test_the_genotype_goes_to_standard_output_without_a_file() -> None:
    Path("found.txt").write_text(TEXT)
    result = ftso("import", "found.txt")
    assert (
        storage.parse_genotype(result.stdout_bytes, "stdout").cells == formats.import_genotype_text(TEXT).genotype.cells
    )


def test_the_text_itself_can_be_the_argument() -> None:
    assert storage.parse_genotype(ftso("import", TEXT).stdout_bytes, "stdout").stage == "complete"


def test_a_file_called_like_a_text_is_a_file() -> None:
    Path("(1).txt").write_text(TEXT)
    assert storage.parse_genotype(ftso("import", "(1).txt").stdout_bytes, "stdout").stage == "complete"


@pytest.mark.parametrize("name", OF_DARTS)
def test_standard_input_is_read_and_its_format_is_told_from_its_content(name: str) -> None:
    text = formats.export_genotype_text(library.load_genotype("pdarts"), name)[0]
    result = ftso("import", "-", stdin=text)
    genotype = storage.parse_genotype(result.stdout_bytes, "stdout")
    assert genotype.cells == library.load_genotype("pdarts").cells
    assert genotype.history[0].settings == {"format": name}


def test_a_text_of_windows_is_read() -> None:
    Path("found.txt").write_bytes(b"\xef\xbb\xbf" + TEXT.replace(", ", ",\r\n").encode())
    ftso("import", "found.txt")


def test_a_format_can_be_forced() -> None:
    result = ftso("import", TEXT, "--format", "edges", status=1)
    assert result.stderr.startswith("error: the text: an edge is [operator, source, target] in an edge list, not")


def test_one_of_several_is_picked(folder: Path) -> None:
    Path("genotypes.py").write_text(SEVERAL)
    ftso("import", "genotypes.py", "--pick", "B", "-o", "b.json")
    ftso("import", "genotypes.py", "--pick", "-1", "-o", "last.json")
    assert len(storage.read_genotype(folder / "b.json").cells["normal"].nodes) == 1
    assert storage.read_genotype(folder / "last.json").history[0].settings == {"format": "darts", "pick": "-1"}
    result = ftso("import", "genotypes.py", status=1)
    assert result.stderr == (
        "error: genotypes.py: holds 3 genotypes: 1 A, 2 B, 3 A; say which with --pick, -1 is the last\n"
    )


def test_what_fairdarts_text_loses_is_a_warning_and_the_dialect_is_in_the_history() -> None:
    Path("fair.py").write_text(FAIRDARTS_C)
    result = ftso("import", "fair.py", "--dialect", "fairdarts", "-o", "cell.json")
    assert result.stderr == (
        "warning: fair.py: left out or changed: node 3 of the normal cell's output (nothing feeds it), "
        "edge 3→5 of the normal cell (nothing feeds node 3: kept as pruned)\n"
    )
    genotype = storage.read_genotype(Path("cell.json"))
    assert genotype.history[0].settings == {"format": "darts", "dialect": "fairdarts"}
    assert genotype.cells == library.load_genotype("fairdarts_c").cells


def test_of_many_losses_ten_are_named() -> None:
    content = json.loads(formats.export_genotype_text(library.load_genotype("pdarts"), "edges")[0])
    result = ftso("import", "-", stdin=json.dumps({**content, **{f"x{at}": 0 for at in range(50)}}))
    assert result.stderr == (
        f"warning: standard input: left out or changed: {', '.join(repr(f'x{at}') for at in range(10))} and 40 more\n"
    )


def test_json_without_a_file_holds_the_genotype(folder: Path) -> None:
    told = json.loads(ftso("import", TEXT, "--json").stdout)
    assert list(told) == ["genotype", "format", "lost"]
    Path("cell.json").write_text(json.dumps(told["genotype"]))
    assert storage.read_genotype(Path("cell.json")).history[0].command == "import"


def test_json_says_what_was_read_and_lost() -> None:
    Path("fair.py").write_text(FAIRDARTS_C)
    result = ftso("import", "fair.py", "--dialect", "fairdarts", "-o", "cell.json", "--json")
    told = json.loads(result.stdout)
    assert (told["file"], told["format"], len(told["lost"])) == ("cell.json", "darts", 2)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["missing.txt"], "missing.txt: no such file"),
        (["."], ".: can't be read (Is a directory)"),
        (["{" * 3000], "the text: line 1: longer or deeper than any genotype"),
        (
            ["Genotype(__import__('os'))"],
            "the text: has \"__import__('os')\" where a value is expected, and no code is run",
        ),
        (
            [TEXT, "--format", "onnx"],
            "unknown format 'onnx', did you mean nni? Known: darts, nats, edges, nni, naslib, node-link",
        ),
        ([TEXT, "--dialect", "x"], "unknown dialect 'x'. Known: darts, fairdarts"),
        ([TEXT, "-o", "nowhere/cell.json"], "nowhere/cell.json: there is no folder nowhere; make it first"),
    ],
)
def test_what_cannot_be_imported_is_one_line_and_writes_nothing(folder: Path, words: list[str], message: str) -> None:
    result = ftso("import", *words, status=1)
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith(f"error: {message}")
    assert list(folder.iterdir()) == []


def test_bytes_that_are_no_text_are_refused() -> None:
    assert ftso("import", "-", stdin=b"\xff\xfe\x00", status=1).stderr == "error: standard input: is no text (UTF-8)\n"


def test_a_file_too_large_is_refused_before_it_is_read_to_the_end() -> None:
    with Path("large.txt").open("wb") as file:
        file.truncate(5_000_000_000)
    assert "large.txt: larger than 4 MB" in ftso("import", "large.txt", status=1).stderr


def test_standard_input_that_is_too_large_is_refused() -> None:
    assert "standard input: larger than 4 MB" in ftso("import", "-", stdin=" " * 4_000_001, status=1).stderr


def test_a_genotype_file_needs_no_import(searched: Genotype) -> None:
    storage.write_genotype(searched, Path("cell.json"))
    assert "is a genotype file already, and needs no import" in ftso("import", "cell.json", status=1).stderr


# export


@pytest.mark.parametrize("name", OF_DARTS)
def test_a_cell_is_exported_to_standard_output_and_to_a_file(name: str) -> None:
    expected = formats.export_genotype_text(library.load_genotype("pdarts"), name)[0]
    result = ftso("export", "pdarts", "--format", name)
    assert result.stdout == expected
    assert "can't hold the notes on where it is from" in result.stderr
    assert "warning" not in result.stderr
    assert ftso("export", "pdarts", "--format", name, "-o", "out").stdout == "wrote out\n"
    assert Path("out").read_text() == expected


@pytest.mark.parametrize("name", OF_NATS)
def test_a_nats_cell_comes_back_from_every_format_that_can_hold_it(name: str) -> None:
    ftso("import", FTSO, "-o", "cell.json")
    ftso("export", "cell.json", "--format", name, "-o", "out")
    again = storage.parse_genotype(ftso("import", "out").stdout_bytes, "stdout")
    assert (again.space, again.cells) == ("nats", storage.read_genotype(Path("cell.json")).cells)
    assert again.history[0].settings == {"format": name}


def test_the_string_is_the_default_for_a_nats_cell() -> None:
    ftso("import", FTSO, "-o", "cell.json")
    result = ftso("export", "cell.json", "--json")
    assert json.loads(result.stdout) == {"text": f"{FTSO}\n", "format": "nats", "lost": ["the history"]}


@pytest.mark.parametrize(("cell", "name"), [("darts_v2", "nats"), ("cell.json", "darts"), ("cell.json", "nni")])
def test_a_format_of_another_space_is_refused_with_those_that_fit(cell: str, name: str) -> None:
    ftso("import", FTSO, "-o", "cell.json")
    result = ftso("export", cell, "-f", name, status=1)
    fitting = "darts, edges, nni, naslib, node-link" if cell == "darts_v2" else "nats, edges, node-link"
    assert result.stderr.endswith(f"can't hold; --format is {fitting}\n")
    assert result.stderr.startswith(f"error: {cell}: is of the {'darts' if cell == 'darts_v2' else 'nats'} space, ")


def test_darts_text_is_the_default() -> None:
    assert ftso("export", "P-DARTS").stdout.startswith("pdarts = Genotype(\n    normal=[('skip_connect', 0), ")


def test_dot_is_the_picture_that_draw_makes() -> None:
    ftso("draw", "pdarts", "-o", "pdarts.dot")
    result = ftso("export", "pdarts", "--format", "dot")
    assert result.stdout == Path("pdarts.dot").read_text()
    assert result.stderr == ""


def test_what_is_exported_is_imported_as_it_was() -> None:
    ftso("export", "bayesnas_0.01", "-f", "edges", "-o", "edges.json")
    ftso("import", "edges.json", "-o", "cell.json")
    assert storage.read_genotype(Path("cell.json")).cells == library.load_genotype("bayesnas_0.01").cells


def test_searched_strengths_are_lost_with_a_warning(searched: Genotype) -> None:
    storage.write_genotype(searched, Path("cell.json"))
    ftso("assign-ops", "cell.json")
    result = ftso("export", "cell.json")
    assert result.stderr == (
        "warning: cell.json: DARTS text can't hold searched strengths, pruned edges, "
        "the list of searched operators, the history\n"
    )
    assert ftso("export", "cell.json", "-f", "node-link").stderr == (
        "warning: cell.json: networkx node-link JSON can't hold the history\n"
    )


def test_json_has_the_text_or_the_file_and_what_is_lost() -> None:
    told = json.loads(ftso("export", "pdarts", "--json").stdout)
    assert told == {
        "text": formats.export_genotype_text(library.load_genotype("pdarts"), "darts")[0],
        "format": "darts",
        "lost": ["the notes on where it is from"],
    }
    told = json.loads(ftso("export", "pdarts", "--json", "-o", "out.txt").stdout)
    assert told == {"file": "out.txt", "format": "darts", "lost": ["the notes on where it is from"]}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["bayesnas_0.01"], "bayesnas_0.01: node 2 of the normal cell has 5 inputs, and DARTS text has two"),
        (
            ["FairDARTS_c"],
            "FairDARTS_c: node 3 of the normal cell has no inputs, and DARTS text has two for every node; ",
        ),
        (
            ["nasnet_a", "-f", "nni"],
            "nasnet_a: the output of the reduce cell is nodes [4, 5, 6], and NNI's DARTS space",
        ),
        (["pdarts", "-f", "onx"], "unknown format 'onx'"),
        (["pdartz"], "'pdartz': no such file and no published cell of that name, did you mean pdarts?"),
        (["pdarts", "-o", "nowhere/x"], "nowhere/x: there is no folder nowhere; make it first"),
    ],
)
def test_what_cannot_be_exported_is_one_line_and_writes_nothing(folder: Path, words: list[str], message: str) -> None:
    result = ftso("export", *words, status=1)
    assert result.stdout == ""
    assert result.stderr.splitlines()[-1].startswith(f"error: {message}")
    assert list(folder.iterdir()) == []


def test_a_cell_without_operators_says_what_to_run_first(searched: Genotype) -> None:
    storage.write_genotype(searched, Path("cell.json"))
    result = ftso("export", "cell.json", status=1)
    assert result.stderr == "error: cell.json: is not pruned, which DARTS text needs; run: ftso prune cell.json\n"


# Whole processes


def test_a_pipe_of_export_and_import_gives_the_cell_back(folder: Path) -> None:
    exported = run_ftso("export", "pdarts", "-f", "node-link", cwd=folder)
    imported = run_ftso("import", "-", stdin=exported.stdout, cwd=folder)
    assert imported.returncode == 0
    assert storage.parse_genotype(imported.stdout, "stdout").cells == library.load_genotype("pdarts").cells


def test_neither_command_imports_what_is_slow_to_import(folder: Path) -> None:
    (folder / "found.txt").write_text(TEXT)
    for words in (["export", "pdarts"], ["import", "found.txt"]):
        modules = modules_imported_by(words, cwd=folder)
        assert not modules & {"torch", "numpy", "PIL", "networkx", "sklearn"}
