"""`search`, `search-topology` and `search-ops` with a method that evaluates cells, as a user runs them."""

import csv
import json
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
    "method", ["-m random --evaluate predictor --budget 4", "-m darts-1st --iters 1 --channels 4 --cells 2 -b 16"]
)
def test_in_the_imagenet_setting_a_cell_is_within_600m_macs_and_a_time_or_none_is_said_to_be(method: str) -> None:
    asked = ("search", *method.split(), "--ops", "skip_connect,sep_conv_3x3", "--setting", "imagenet")
    asked = (*asked, "--fit-macs", "600M")
    ftso(*asked, "--fit-latency", "10m", "-o", "cell.json")
    told = ftso("cost", "cell.json", "--setting", "imagenet", "--json").stdout
    assert json.loads(told)["networks"][0]["macs"] <= 600_000_000
    (step,) = storage.read_genotype(Path("cell.json")).history
    assert "the imagenet network takes" in step.notes[0]
    refused = ftso(*asked, "--fit-latency", "0.001ms", "-o", "none.json", status=1).stderr
    assert "no cell fits: the fastest takes" in refused and refused.endswith(
        "in the imagenet network; raise --fit-latency\n"
    )
    assert not Path("none.json").exists()


EVALUATING = "is for a search that evaluates cells, not for {}: leave it out, or give --method evolution"
GRADIENT = "is for a search by gradient, not for {}: leave it out, or give {}"
REFUSED = {
    "search -m gdas --evaluate predictor": EVALUATING.format("--method gdas"),
    "search -m gdas --budget 5m": EVALUATING.format("--method gdas"),
    "search -m pnas --penalty macs=1": GRADIENT.format("--method pnas", "--method darts-1st"),
    "search -m random --partial 2": GRADIENT.format("--method random", "--method darts-1st"),
    "search -m random --track eigenvalue": "has no α and β along which a loss could curve",
    "search -m random --evaluate table --space nats": "looks cells up in the CSV file of NATS-Bench: give --table FILE",
    "search -m random --table x.csv": "is looked up by one evaluator alone: give --evaluate table",
    "search -m random --evaluate table --table x.csv": "cells of the nats space, not of darts: search in nats",
    "search -m gdas --penalty kl=1": "kl is of Dirichlet distributions: give --method drnas",
    "search -m random --iters 9 --budget 1m": "give a number of these, as in --budget 24, or --steps instead",
    "search -m random --budget soon": "--budget: 'soon' is no budget; give a time as in 5m, 90s, 1h, or a number of",
    "search -m random --budget 0": "--budget: must be above 0, not 0: give a time, or a number of cells",
    "search-topology -m random --budget 0s": "--budget: must be above 0, not 0s",
    "search-ops darts_v2 --strategy capacity --budget 0": "--budget: must be above 0, not 0",
    "search -m random --fit-latency 1": "--fit-latency: '1' is no time; give one as in 2ms",
    "search -m gdas --penalty flops=1": "--penalty: 'flops=1' is no penalty; write macs=0.1, with one of macs,",
    "search -m gdas --setting imagenet": "--setting: is the network that limits are for: give one, as in --fit-macs",
    "search-ops darts_v2 --setting imagenet": "give one, as in --fit-macs 30M",
    "search-topology -m random --setting imagenet": "give one, as in --fit-macs 30M",
    "search -m random --seeds 0-3": "(Possible options: --seed, --steps)",
    "search-ops darts_v2 --evaluate synflow": EVALUATING.format("a search by gradient"),
    "search-ops darts_v2 --score synflow --slack 2": "is for a search by capacity, not for a search by gradient: leave",
    "search-ops darts_v2 -m random --slack 2": "not for --method random: leave it out, or give --strategy capacity",
    "search-ops darts_v2 -m random --epochs 2": GRADIENT.format("--method random", "--method darts-1st"),
    "search-ops darts_v2 --strategy capacity --evaluate synflow": EVALUATING.format("a search by capacity"),
    "search-ops darts_v2 --strategy capacity --penalty macs=1": GRADIENT.format(
        "a search by capacity", "--strategy gradient"
    ),
    "search-ops darts_v2 --strategy capacity -m gdas": "by capacity: leave it out, or give --strategy gradient",
    "search-ops darts_v2 --strategy capacity -m random": "not for --method random: leave it out",
    "search-ops darts_v2 --ops skip_connect --penalty macs=1": "there is one: list several, as in --ops 3op",
    "search-topology --evaluate synflow": EVALUATING.format("a search by gradient"),
    "search-topology -m gdas --fit-macs 600M": EVALUATING.format("a search by gradient"),
    "search-topology --budget 5m": "not for a search by gradient: leave it out, or give --rank race",
    "search-topology --penalty macs=1": "there is one: list several, as in --op 3op",
    "search-topology --op 3op --penalty macs=1 --rank gradient": "are held at 0: give --rank beta",
    "search-topology -m gdas --rank gradient": "moves β, by which nothing is ranked here: give --rank beta",
    "search-topology -m p-darts": "drops operators in stages, and a wiring has none: give another",
    "search-topology -m random --space nats": "there is no wiring to choose: search operators",
    "search-topology -m random --op 3op": "with one operator on every edge: give one, or leave it out",
    "search-topology -m random --rank race": "not for --method random: leave it out",
    "search-topology --rank race --fit-macs 1M": EVALUATING.format("a race"),
    "search-topology --rank race --steps 9": EVALUATING.format("a race"),
    "search-topology --rank race --penalty macs=1": GRADIENT.format("a race", "--rank beta"),
}
"""Command lines whose options don't go together, with what is said."""

LACKING = {
    "search -m random --evaluate none.safetensors": "no such file; ftso search --keep-weights leaves a super-net in",
    "search -m random --evaluate none.json": "none.json: no such file",
    "search -m random --evaluate nonsense": "FILE.json of ftso score --fit, supernet.safetensors of ftso search",
    "search -m random --evaluate table --table none.csv --space nats": "none.csv: no such file",
    "search -m random --evaluate predictor --space nats": "ftso score --fit fits one, or give another --evaluate",
    "search -m pnas --evaluate predictor --budget 3": "raise --budget",
    "search -m random --resume": "no search to resume, it has no checkpoint; leave --resume out",
    "search -m random --fit-macs 1k": "raise --fit-macs",
    "search -m random --fit-params 1k": "raise --fit-params",
    "search -m random --fit-macs 1k --fit-params 1k": "raise --fit-macs and --fit-params",
    "search-ops ftso_block -m random --ops none,skip_connect": "fewer than two operators to choose from, none not",
    "search -m random --ops skip_connect": "list them with --ops",
    "search -m darts-1st --partial 3 --channels 16": "give a multiple, or --partial 1",
}
"""Command lines that lack something else than an option."""


@pytest.mark.parametrize("words", [*REFUSED, *LACKING])
def test_a_refusal_is_one_line_that_says_what_is_lacking_and_what_to_do(words: str) -> None:
    status, said = (2, REFUSED[words]) if words in REFUSED else (1, LACKING[words])
    stderr = ftso(*words.split(), "-o", "cell.json", status=status).stderr
    assert stderr.count("error: ") == 1 and stderr.endswith("\n") and stderr.count("\n") == 1
    assert said in stderr
    assert not Path("cell.json").exists()


def test_a_super_net_of_another_space_is_refused() -> None:
    ftso("search", "-m", "gdas", "--iters", "1", "--nodes", "2", *SMALL[:6], "--keep-weights", "-o", "cell.json")
    words = ("search", "-m", "random", "--space", "nats", "--evaluate", "cell.search/supernet.safetensors")
    assert "its cells are of the darts space, not of nats" in ftso(*words, "-o", "nats.json", status=1).stderr
