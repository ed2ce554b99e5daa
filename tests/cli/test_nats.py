"""The commands on cells of the nats space, which have one kind of cell, other operators and other networks."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ftso_cli.cli.app import app
from ftso_cli.genotype import Genotype, storage
from ftso_cli.spaces import NATS
from ftso_cli.spaces.nats import EDGES
from tests.images import write_folder
from tests.nats import FTSO, genotype, string, uniform


def ftso(*words: str, status: int = 0) -> Result:
    result = CliRunner().invoke(app, list(words))
    assert result.exit_code == status, result.output
    return result


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with `cell.json`, the paper's cell, and `searched.json`, a topology with a strength on every edge."""
    monkeypatch.chdir(tmp_path)
    storage.write_genotype(genotype(FTSO), Path("cell.json"))
    storage.write_genotype(searched(), Path("searched.json"))
    return tmp_path


def searched() -> Genotype:
    """A topology of average pools as a search leaves it."""
    cell = uniform("avg_pool_3x3").cells["cell"]
    edges = tuple(edge.model_copy(update={"beta": 0.1 * at}) for at, edge in enumerate(cell.edges))
    changed = cell.model_copy(update={"edges": edges})
    return genotype(FTSO).replace(stage="searched", searched_ops=("avg_pool_3x3",), cells={"cell": changed})


# cost


@pytest.mark.parametrize(
    ("setting", "params", "flops"),
    [
        ("cifar", 1_316_506, 188_662_410),
        ("cifar100", 1_322_356, 188_668_260),
        ("imagenet16-120", 1_323_656, 47_173_240),
    ],
)
def test_cost_counts_the_benchmarks_networks(setting: str, params: int, flops: int) -> None:
    (network,) = json.loads(ftso("cost", "cell.json", "--setting", setting, "--json").stdout)["networks"]
    assert (network["space"], network["cells"], network["params"]) == ("nats", 15, params)
    assert network["multiply_adds"]["bias"] == flops
    assert network["auxiliary"] is None


def test_cost_shows_the_benchmarks_flops_beside_macs_and_no_auxiliary_head() -> None:
    text = ftso("cost", "cell.json").stdout
    assert "188,662,400  188,662,410" in text
    assert "cell 10–14" in text
    assert "auxiliary" not in text and "in training" not in text


def test_cost_shows_cells_of_two_spaces_in_two_tables() -> None:
    text = ftso("cost", "cell.json", "darts_v2").stdout
    assert text.index("15 cells, images 3×32×32") < text.index("20 cells, images 3×32×32")


def test_cost_refuses_a_setting_of_the_other_space() -> None:
    result = ftso("cost", "cell.json", "--setting", "imagenet", status=1)
    assert result.stderr == (
        "error: cell.json: the nats space has no setting imagenet; it has cifar, cifar100, imagenet16-120\n"
    )
    assert "darts_v2: the darts space has no setting imagenet16-120" in (
        ftso("cost", "darts_v2", "--setting", "imagenet16-120", status=1).stderr
    )


def test_cost_finds_the_width_within_a_budget() -> None:
    (network,) = json.loads(ftso("cost", "cell.json", "--fit-params", "1M", "--json").stdout)["networks"]
    assert network["channels"] == 13
    assert network["params"] <= 1_000_000


# prune, assign-ops


def test_prune_keeps_every_edge_unless_told_otherwise() -> None:
    result = ftso("prune", "searched.json", "-o", "wiring.json")
    assert (
        "wrote wiring.json: at most 3 edges a node\nnext: ftso assign-ops wiring.json --op nor_conv_3x3"
        in result.stdout
    )
    kept = [(edge.source, edge.target) for edge in storage.read_genotype(Path("wiring.json")).cells["cell"].kept]
    assert kept == list(EDGES)
    ftso("prune", "searched.json", "--keep", "1", "-o", "chain.json")
    assert len(storage.read_genotype(Path("chain.json")).cells["cell"].kept) == 3


def test_assign_ops_gives_a_convolution_and_prunes_as_the_space_does() -> None:
    result = ftso("assign-ops", "searched.json", "-o", "conv.json")
    assert "pruned to 3 edges a node first" in result.stderr
    assert storage.read_genotype(Path("conv.json")).cells["cell"].kept == tuple(
        edge.model_copy(update={"op": "nor_conv_3x3"}) for edge in searched().cells["cell"].edges
    )


@pytest.mark.parametrize("op", NATS.operators)
def test_assign_ops_gives_any_operator_of_the_space_none_included(op: str) -> None:
    ftso("assign-ops", "cell.json", "--op", op)
    assert {edge.op for edge in storage.read_genotype(Path("cell.json")).cells["cell"].edges} == {op}


def test_assign_ops_refuses_an_operator_of_the_other_space() -> None:
    result = ftso("assign-ops", "cell.json", "--op", "sep_conv_3x3", status=1)
    assert result.stderr.startswith("error: unknown operator 'sep_conv_3x3', did you mean nor_conv_3x3? Known: none, ")
    assert "unknown operator 'nor_conv_3x3'" in (
        ftso("assign-ops", "darts_v2", "--op", "nor_conv_3x3", "-o", "x.json", status=1).stderr
    )


def test_a_command_that_needs_operators_proposes_one_of_the_space() -> None:
    ftso("prune", "searched.json")
    assert ftso("cost", "searched.json", status=1).stderr.endswith("ftso assign-ops searched.json --op nor_conv_3x3\n")
    assert ftso("draw", "searched.json", "-o", "x.dot").stdout.endswith("assign-ops searched.json --op nor_conv_3x3\n")


# draw, genotypes, search-ops


def test_draw_shows_the_one_cell_with_its_operators() -> None:
    ftso("draw", "cell.json", "-o", "cell.svg")
    picture = Path("cell.svg").read_text(encoding="utf-8")
    assert picture.count("conv 3×3") == 5
    assert picture.count("conv 1×1") == 1
    assert "c_{k-1}" in ftso("draw", "cell.json", "--terminal").stdout


def test_genotypes_shows_the_costs_on_the_three_data_sets_and_the_string() -> None:
    text = ftso("genotypes", "show", "cell.json").stdout
    assert "ImageNet16-120 1,323,656 1,323,656  47,173,120" in text
    assert FTSO in text
    costs = json.loads(ftso("genotypes", "show", "cell.json", "--json").stdout)["costs"]
    assert list(costs) == ["cifar10", "cifar100", "imagenet16-120"]


def test_search_topology_keeps_all_edges_and_says_that_skip_connections_see_nothing() -> None:
    result = ftso("search-topology", "--space", "nats", "--iters", "1", "-o", "wiring.json")
    assert "skip_connect with --partial 1 sees 0 of the 3 degrees of freedom of the cell's wiring" in result.stderr
    assert "all edges are kept" in result.stderr
    assert result.stdout.endswith("next: ftso assign-ops wiring.json --op nor_conv_3x3\n")
    found = storage.read_genotype(Path("wiring.json"))
    assert (found.stage, found.cells["cell"].concat) == ("searched", (3,))
    assert [(edge.source, edge.target) for edge in found.cells["cell"].edges] == list(EDGES)
    assert found.history[0].settings["space"] == "nats"
    ftso("assign-ops", "wiring.json")
    assert ftso("export", "wiring.json").stdout == f"{string(['nor_conv_3x3'] * 6)}\n"


def test_search_topology_has_no_blind_spot_with_average_pools_nor_several_seeds() -> None:
    words = ("--op", "avg_pool_3x3", "--iters", "1", "--seeds", "0-1", "--rank", "gradient")
    result = ftso("search-topology", "--space", "nats", *words, "-o", "pool.json")
    assert "degrees of freedom" not in result.stderr
    found = storage.read_genotype(Path("pool.json"))
    assert found.ensemble is not None and found.ensemble.agreement["cell"].chance == 1
    assert any(abs(score) > 1e-9 for edge in found.cells["cell"].edges for score in edge.scores or ())


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--rank", "race"), "nats cells keep all edges, so there is nothing to race"),
        (("--op", "sep_conv_3x3"), "unknown operator 'sep_conv_3x3'"),
        (("--engine", "folded"), "can't be folded"),
    ],
)
def test_search_topology_refuses_what_the_space_lacks(words: tuple[str, ...], says: str) -> None:
    status = 2 if "--rank" in words else 1
    assert says in ftso("search-topology", "--space", "nats", *words, "-o", "x.json", status=status).stderr


def test_search_ops_weighs_the_operators_of_the_space() -> None:
    ftso("search-ops", "cell.json", "--iters", "1", "--cells", "3", "--batch-size", "16", "-o", "found.json")
    found = storage.read_genotype(Path("found.json")).cells["cell"]
    assert [(edge.source, edge.target) for edge in found.kept] == list(EDGES)
    assert all(set(edge.alpha or ()) == set(NATS.candidates) for edge in found.kept)
    assert ftso("export", "found.json").stdout.count("~") == 6


def test_search_ops_by_capacity_says_what_it_chose_among() -> None:
    words = (
        "--strategy",
        "capacity",
        "--cells",
        "3",
        "--channels",
        "4",
        "--steps",
        "2",
        "--inits",
        "2",
        "--slack",
        "0.3",
    )
    result = ftso("search-ops", "cell.json", *words, "-o", "found.json")
    titles, *rows = result.stdout[result.stdout.index("trained") :].splitlines()
    assert titles.split() == ["trained", "synflow", "loss", "behind", "the", "best"]
    found = storage.read_genotype(Path("found.json"))
    step = found.history[-1]
    assert any(row.startswith("highest score") for row in rows) and any("highest score" in note for note in step.notes)
    assert (step.settings["strategy"], step.settings["inits"], step.seed) == ("capacity", 2, 0)
    facts = json.loads(ftso("search-ops", "cell.json", *words, "-o", "again.json", "--json").stdout)
    assert storage.read_genotype(Path("again.json")).cells == found.cells
    assert [trial["behind"] for trial in facts["trials"]] == sorted(trial["behind"] for trial in facts["trials"])


def test_search_ops_by_capacity_keeps_to_limits_and_records_them() -> None:
    small = ("--cells", "3", "--channels", "4", "--steps", "2", "--inits", "1", "--slack", "0")
    words = ("search-ops", "cell.json", "--strategy", "capacity", "--ops", "skip_connect,nor_conv_3x3", *small)
    limits = ("--fit-params", "400k", "--fit-macs", "60M", "--fit-latency", "10m")
    for name in ("found.json", "again.json"):
        ftso(*words, *limits, "-o", name)
    found, again = (storage.read_genotype(Path(name)) for name in ("found.json", "again.json"))
    assert found.cells == again.cells and found.history[-1].settings == again.history[-1].settings
    (network,) = json.loads(ftso("cost", "found.json", "--setting", "cifar", "--json").stdout)["networks"]
    assert network["params"] <= 400_000 and network["macs"] <= 60_000_000
    step = found.history[-1]
    recorded = {"fit_params": 400_000, "fit_macs": 60_000_000, "fit_latency": "600000ms", "setting": "cifar"}
    assert recorded.items() <= step.settings.items() and any("ms an image" in note for note in step.notes)
    refused = ftso(*words, "--fit-params", "1k", "-o", "none.json", status=1).stderr
    assert "no cell fits: the cheapest has" in refused and not Path("none.json").exists()


@pytest.mark.parametrize("words", [("--strategy", "capacity", "--partial", "2"), ("--slack", "2")])
def test_search_ops_refuses_options_of_the_other_strategy(words: tuple[str, ...]) -> None:
    assert "leave it out, or give --strategy" in ftso("search-ops", "cell.json", *words, status=2).stderr


@pytest.mark.parametrize("method", ["darts-1st", "darts-2nd", "pc-darts", "random"])
def test_every_joint_search_gives_a_cell_of_the_space(method: str) -> None:
    words = ("--channels", "4", "--batch-size", "16", "--iters", "2")
    ftso("search", "--method", method, "--space", "nats", *words, "-o", "found.json")
    found = storage.read_genotype(Path("found.json"))
    assert found.stage == "complete" and found.history[0].settings["space"] == "nats"
    assert ftso("export", "found.json").stdout.count("~") == 6


# train


def test_a_cell_trains_at_the_size_and_width_of_cifar(folder: Path) -> None:
    size = ["--image-size", "32", "--channels", "16", "--cells", "3", "--batch-size", "36"]
    images = str(write_folder(folder / "photos"))
    ftso("train", "cell.json", "--data", images, "--device", "cpu", *size, "--epochs", "1", "-o", "run")
    assert json.loads(Path("run/result.json").read_text())["test_images"] == 24
