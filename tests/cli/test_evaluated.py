"""`search`, `search-topology` and `search-ops` with a method that evaluates cells, as a user runs them."""

import csv
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ftso_cli.cli.app import app
from ftso_cli.genotype import Genotype, storage
from ftso_cli.genotype.formats.nats import architecture
from tests.benchmarks.tables import text as made_up
from tests.nats import string

SMALL = ("--channels", "4", "--cells", "2", "--batch-size", "16", "--steps", "2")


def ftso(*words: str | Path, status: int = 0) -> Result:
    result = CliRunner().invoke(app, list(map(str, words)))
    assert result.exit_code == status, result.output
    return result


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FTSO_CACHE", str(tmp_path / "cache"))


def without_times(path: str) -> Genotype:
    return storage.read_genotype(Path(path)).model_copy(update={"times": ()})


def test_first_the_wiring_then_the_operators_are_evaluated() -> None:
    ftso("search-topology", "-m", "evolution", "--budget", "3", "--nodes", "2", *SMALL, "-o", "wiring.json")
    wiring = storage.read_genotype(Path("wiring.json"))
    assert wiring.stage == "complete" and {edge.op for edge in wiring.cells["normal"].edges} == {"sep_conv_3x3"}
    ops = ("--ops", "skip_connect,max_pool_3x3")
    ftso("search-ops", "wiring.json", "-m", "pnas", "--budget", "4", "--evaluate", "synflow", *ops, *SMALL[:6])
    found = storage.read_genotype(Path("wiring.json"))
    assert {edge.op for cell in found.cells.values() for edge in cell.edges} <= {"skip_connect", "max_pool_3x3"}
    assert [(edge.source, edge.target) for edge in found.cells["normal"].edges] == [
        (edge.source, edge.target) for edge in wiring.cells["normal"].edges
    ]
    searched, chosen = (step.settings for step in found.history)
    assert (searched["method"], searched["budget"], chosen["method"], chosen["nodes"]) == ("evolution", "3", "pnas", 2)


def test_a_search_that_was_stopped_goes_on_to_the_same_file(monkeypatch: pytest.MonkeyPatch) -> None:
    size = ("--channels", "4", "--cells", "3", "--steps", "2")
    request = ("search", "-m", "evolution", "--budget", "12", "--space", "nats", *size)
    ftso(*request, "-o", "whole.json")
    from ftso_cli.search.evaluators.short_training import ByTraining

    judged, evaluate = [], ByTraining.__call__

    def stopped(self: ByTraining, genotype: Genotype) -> float:
        judged.append(genotype)
        if len(judged) == 8:
            raise KeyboardInterrupt
        return evaluate(self, genotype)

    with monkeypatch.context() as patch:
        patch.setattr(ByTraining, "__call__", stopped)
        ftso(*request, "-o", "again.json", status=130)
    assert "--resume" in ftso(*request, "-o", "again.json", status=1).stderr
    ftso(*request, "-o", "again.json", "--resume")
    assert without_times("again.json") == without_times("whole.json")
    rows = list(csv.DictReader(Path("again.search/evaluations.csv").read_text().splitlines()))
    assert [row["evaluation"] for row in rows] == [str(at) for at in range(1, 13)]
    assert all(int(row["macs"]) >= 7_783_040 and int(row["params"]) >= 73_306 for row in rows)


def test_a_table_rewards_cells_and_limits_hold() -> None:
    Path("table.csv").write_bytes(made_up())
    asked = ("search", "--space", "nats", "--evaluate", "table", "--table", "table.csv", "--budget", "20")
    ftso(*asked, "-m", "local-search", "--fit-params", "300k", "-o", "cell.json")
    cell = storage.read_genotype(Path("cell.json"))
    assert architecture(cell.cells["cell"]) != string(["nor_conv_3x3"] * 6)
    ftso(*asked, "-m", "random", "--fit-latency", "10m", "-o", "fast.json")
    step = storage.read_genotype(Path("fast.json")).history[-1]
    assert step.settings["fit_latency"] == "600000ms"
    assert re.fullmatch(
        r"the cifar network takes [\d.]+ ms an image \(spread .*\), .* \d+ threads?, torch .*", step.notes[0]
    )
    assert "the cheapest has" in ftso(*asked, "-m", "pnas", "--fit-params", "1", "-o", "none.json", status=1).stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("search-topology", "-m", "random", "--space", "nats"), "keep all edges"),
        (("search-topology", "--evaluate", "synflow"), "--method evolution"),
        (("search-topology", "-m", "random", "--op", "3op"), "one operator"),
        (("search-topology", "-m", "random", "--rank", "race"), "no meaning"),
        (("search-topology", "-m", "gdas", "--rank", "gradient"), "holds at 0"),
        (("search-topology", "-m", "p-darts"), "in stages"),
        (("search", "-m", "random", "--evaluate", "table"), "--table"),
        (("search", "-m", "random", "--partial", "2"), "no meaning with --method random"),
        (("search", "-m", "darts-1st", "--evaluate", "synflow"), "no meaning with --method darts-1st"),
    ],
)
def test_options_that_a_method_has_no_use_for_are_refused(words: tuple[str, ...], said: str) -> None:
    assert said in " ".join(ftso(*words, "-o", "cell.json", status=2).stderr.split())
