"""`ftso query` as a user sees it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ftso_cli.cli.app import app
from ftso_cli.genotype import storage
from tests.benchmarks.tables import PUBLISHED
from tests.benchmarks.tables import text as made_up
from tests.nats import FTSO, genotype
from tests.processes import modules_imported_by
from tests.test_structure import HEAVY


def ftso(*words: str, status: int = 0, stdin: bytes | None = None) -> Result:
    result = CliRunner().invoke(app, ["query", *words], input=stdin)
    assert result.exit_code == status, result.output
    return result


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a table, and `cell.json`, the paper's cell."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FTSO_CACHE", str(tmp_path / "cache"))
    Path("table.csv").write_bytes(made_up())
    storage.write_genotype(genotype(FTSO), Path("cell.json"))
    return tmp_path


@pytest.mark.skipif(not PUBLISHED.exists(), reason=f"no {PUBLISHED.name} beside this checkout")
def test_the_papers_cell_in_the_published_table() -> None:
    result = ftso("cell.json", "--table", str(PUBLISHED))
    head, titles, *rows = result.stdout.splitlines()
    assert head == f"cell.json: {FTSO}, index 5721"
    assert titles.split("  ")[-1].strip() == "flops"
    assert [row.split() for row in rows[:3]] == [
        ["CIFAR-10", "93.98", "%", "45", "99.71", "%", "0.39", "1,316,506", "188,662,410"],
        ["CIFAR-100", "70.22", "%", "675", "95.68", "%", "3.29", "1,322,356", "188,668,260"],
        ["ImageNet16-120", "45.57", "%", "122", "99.22", "%", "1.74", "1,323,656", "47,173,240"],
    ]
    assert rows[3:] == ["next: ftso cost cell.json"]
    assert result.stderr.startswith("test accuracy after 200 epochs, mean over seeds; ")


@pytest.mark.parametrize("asked", ["cell.json", FTSO, "-"])
def test_a_cell_is_a_file_a_string_or_standard_input(asked: str) -> None:
    result = ftso(asked, "-t", "table.csv", "--json", stdin=Path("cell.json").read_bytes())
    answer = json.loads(result.stdout)
    assert result.stderr == ""
    assert (answer["table"], answer["of"]) == ("table.csv", 15_625)
    (cell,) = answer["cells"]
    assert (cell["cell"], cell["architecture"]) == (asked, FTSO)
    assert list(cell["data_sets"]) == ["cifar10", "cifar100", "imagenet16-120"]
    assert set(cell["data_sets"]["cifar10"]) == {
        "accuracy", "rank", "below", "best", "percentile", "to_best", "params", "flops"
    }  # fmt: skip


def test_several_cells_are_answered_one_after_the_other() -> None:
    other = FTSO.replace("nor_conv_1x1", "none")
    lines = ftso("cell.json", other, "-t", "table.csv").stdout.splitlines()
    assert [line.split(", index ")[0] for line in lines if "index" in line] == [f"cell.json: {FTSO}", other]


def test_without_a_cell_the_space_is_described() -> None:
    text = ftso("-t", "table.csv").stdout
    assert text.startswith("accuracy, %")
    # The made-up accuracies repeat every 5,003 cells.
    assert text.count("best on CIFAR-10: |") == 3
    assert "rank correlation of CIFAR-10 and CIFAR-100: " in text
    summary = json.loads(ftso("-t", "table.csv", "--json").stdout)
    assert (summary["table"], summary["cells"]) == ("table.csv", 15_625)
    assert set(summary["data_sets"]) == {"cifar10", "cifar100", "imagenet16-120"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["darts_v2"], "darts_v2: is of the darts space, and the table has cells of the nats space"),
        (["nowhere.json"], "'nowhere.json': no such file and no published cell of that name"),
        (["|none~0|"], "an architecture string is |op~0|+|op~0|op~1|+|op~0|op~1|op~2|, not '|none~0|'"),
        (["cell.json", "-t", "nowhere.csv"], "nowhere.csv: no such file"),
        (["cell.json", "-t", "cell.json"], "cell.json: line 1: has no columns ArchitectureString; a table has each of"),
        (["cell.json", "-t", "."], ".: the benchmark's records are pickles, which can run any code when they are read"),
    ],
)
def test_what_is_wrong_is_told_on_one_line(words: list[str], message: str) -> None:
    result = ftso(*words, *([] if "-t" in words else ["-t", "table.csv"]), status=1)
    assert result.stdout == ""
    assert result.stderr.startswith(f"error: {message}")
    assert result.stderr.count("\n") == 1


def test_a_topology_without_operators_is_sent_to_the_commands_that_give_them() -> None:
    pruned = genotype(FTSO)
    edges = tuple(edge.model_copy(update={"op": None, "alpha": {"none": 0.1}}) for edge in pruned.cells["cell"].edges)
    cell = pruned.cells["cell"].model_copy(update={"edges": edges})
    storage.write_genotype(pruned.replace(stage="pruned", cells={"cell": cell}), Path("cell.json"))
    assert ftso("cell.json", "-t", "table.csv", status=1).stderr == (
        "error: cell.json: has no operators yet, which query needs; run: ftso assign-ops cell.json --op nor_conv_3x3\n"
    )


def test_a_table_must_be_named() -> None:
    assert "Missing option '--table' / '-t'" in ftso("cell.json", status=2).stderr


def test_a_query_from_the_cache_imports_neither_numpy_nor_anything_heavier(folder: Path) -> None:
    words = ["query", FTSO, "--table", folder / "table.csv"]
    assert "numpy" in modules_imported_by(words)
    imported = modules_imported_by(words)
    assert not imported & (HEAVY | {"numpy", "pandas", "networkx", "rich.progress", "nats_bench"})
    assert "ftso_cli.benchmarks.cache" in imported
