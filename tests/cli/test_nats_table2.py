"""`ftso nats-table2` on digits and a made-up table."""

import json
from pathlib import Path
from statistics import fmean
from typing import get_args

import pytest
from typer.testing import CliRunner, Result

from ftso_cli.benchmarks.paper import TABLE_2
from ftso_cli.benchmarks.tables import read_table
from ftso_cli.cli.app import app
from ftso_cli.settings.requests.tables import ByTable
from tests.benchmarks.tables import PUBLISHED
from tests.benchmarks.tables import text as made_up
from tests.nats import string

GRADIENT = ("-m", "darts-1st", "-m", "gdas", "-m", "search-ops", "-m", "search-ops-drnas")


def ftso(*words: str, status: int = 0) -> Result:
    result = CliRunner().invoke(app, ["nats-table2", "--table", "table.csv", *words])
    assert result.exit_code == status, result.output
    return result


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FTSO_CACHE", str(tmp_path / "cache"))
    Path("table.csv").write_bytes(made_up())


def test_it_prints_the_paper_s_rows_and_ours() -> None:
    asked = [word for name in get_args(ByTable) for word in ("-m", name)]
    result = ftso("-m", "assign-ops", *asked, "--seeds", "0-1", "--queries", "20")
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["CIFAR-10", "CIFAR-100", "ImageNet16-120", "seconds"]
    ours = ["assign-ops", *get_args(ByTable)]
    assert lines[len(TABLE_2)].split("  ")[0] == "paper: FTSO, searched on any of them"
    assert [line.split()[1] for line in lines[1 + len(TABLE_2) :]] == ours
    assert "pnas: 20 cells looked up, each a training of 200 epochs" in result.stderr


def test_every_method_finds_cells_whose_accuracies_are_those_of_the_table() -> None:
    answer = json.loads(ftso(*GRADIENT, "--seeds", "3,5", "--iters", "1", "--json").stdout)
    assert list(answer["methods"]) == ["darts-1st", "gdas", "search-ops", "search-ops-drnas"]
    table = read_table(Path("table.csv"))
    for row in answer["methods"].values():
        assert [run["seed"] for run in row["runs"]] == [3, 5]
        reached = [table.find(run["cell"]).scores["cifar100"].accuracy for run in row["runs"]]
        assert row["data_sets"]["cifar100"]["mean"] == pytest.approx(fmean(reached))
        assert row["data_sets"]["cifar100"]["best"] == max(reached)


def test_replacement_gives_convolutions_alone_and_one_seed_has_no_deviation() -> None:
    answer = json.loads(ftso("-m", "assign-ops", "--seeds", "4", "--json").stdout)
    row = answer["methods"]["assign-ops"]
    assert row["runs"][0]["cell"] == string(["nor_conv_3x3"] * 6)
    assert row["data_sets"]["cifar10"]["std"] is None


def test_the_same_command_goes_on_with_what_is_kept_and_more_of_it_adds_to_it() -> None:
    first = json.loads(ftso("-m", "darts-1st", "--seeds", "0", "--iters", "1", "--json").stdout)
    kept = Path("nats-table2.json")
    marked = json.loads(kept.read_bytes())
    marked["searches"][0]["seconds"] = 12345.5
    kept.write_text(json.dumps(marked))
    more = json.loads(ftso("-m", "darts-1st", "--seeds", "0-1", "--iters", "1", "--json").stdout)
    old, new = more["methods"]["darts-1st"]["runs"]
    assert old == {**first["methods"]["darts-1st"]["runs"][0], "seconds": 12345.5}
    assert new["seconds"] < 12345
    assert [search["seed"] for search in json.loads(kept.read_bytes())["searches"]] == [0, 1]


def test_a_search_of_another_length_is_another_search_where_the_method_takes_one() -> None:
    ftso("-m", "darts-1st", "-m", "assign-ops", "--seeds", "0", "--iters", "1")
    ftso("-m", "darts-1st", "-m", "assign-ops", "--seeds", "0", "--iters", "2")
    searches = json.loads(Path("nats-table2.json").read_bytes())["searches"]
    assert [(search["method"], search["iters"]) for search in searches] == [
        ("darts-1st", 1),
        ("assign-ops", None),
        ("darts-1st", 2),
    ]


@pytest.mark.parametrize(
    "content",
    ["", "[]", '{"format": "ftso-nats-table2/2", "searches": []}', '{"format": "ftso-nats-table2/1", "x": 1}'],
)
def test_a_file_that_is_no_ledger_is_refused_and_left_alone(content: str) -> None:
    Path("other.json").write_text(content)
    result = ftso("-m", "assign-ops", "-o", "other.json", status=1)
    assert "other.json: no ledger of nats-table2" in result.stderr
    assert Path("other.json").read_text() == content


def test_a_ledger_of_impossible_cells_is_refused() -> None:
    ftso("-m", "assign-ops", "--seeds", "0")
    kept = Path("nats-table2.json")
    kept.write_text(kept.read_text().replace("nor_conv_3x3~0", "nor_conv_3x3~2", 1))
    assert "searches[0].cell" in ftso("-m", "assign-ops", status=1).stderr


@pytest.mark.skipif(not PUBLISHED.exists(), reason=f"no {PUBLISHED.name} beside this checkout")
@pytest.mark.parametrize(
    ("row", "cell"),
    [
        (
            "FTSO, searched on any of them",
            ["nor_conv_3x3", "nor_conv_3x3", "nor_conv_3x3", "nor_conv_1x1", "nor_conv_3x3", "nor_conv_3x3"],
        ),
        ("DARTS 1st, searched on CIFAR-10", ["skip_connect"] * 6),
        ("DARTS 1st, searched on CIFAR-100", ["none", "skip_connect", "none", "skip_connect", "nor_conv_1x1", "none"]),
        ("DARTS 1st, searched on ImageNet", ["none", "skip_connect", "none", "skip_connect", "none", "nor_conv_1x1"]),
        ("DARTS 2nd, searched on CIFAR-10", ["skip_connect", "nor_conv_3x3", "none", "skip_connect", "none", "none"]),
        (
            "DARTS 2nd, searched on CIFAR-100",
            ["skip_connect", "nor_conv_1x1", "none", "nor_conv_3x3", "skip_connect", "none"],
        ),
        ("DARTS 2nd, searched on ImageNet", ["none", "skip_connect", "none", "skip_connect", "none", "skip_connect"]),
    ],
)
def test_the_paper_s_rows_are_cells_of_the_published_table(row: str, cell: list[str]) -> None:
    scores = read_table(PUBLISHED).find(string(cell)).scores
    assert {name: round(score.accuracy, 2) for name, score in scores.items()} == TABLE_2[row]
