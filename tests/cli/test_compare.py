"""`ftso compare` as a user runs it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ftso_cli.cli.app import app
from ftso_cli.genotype import Genotype, edit, library, storage
from ftso_cli.genotype.agreement import common_share, pruned_wiring
from tests.images import write_folder


def ftso(*args: str | Path) -> Result:
    return CliRunner().invoke(app, [str(arg) for arg in args], env={"COLUMNS": "80"})


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    shape = ("--channels", "4", "--cells", "3", "--epochs", "1", "--batch-size", "16")
    done = ftso("train", "darts_v2", "--data", write_folder(folder / "photos"), *shape, "-o", folder / "run")
    assert done.exit_code == 0, done.output
    return folder / "run"


def test_two_published_cells_share_what_a_count_by_hand_says() -> None:
    told = json.loads(ftso("compare", "darts_v2", "pc_darts_cifar", "--json").stdout)
    one, other = library.load_genotype("darts_v2"), library.load_genotype("pc_darts_cifar")
    normal, reduce = told["pairs"]
    assert normal["agreement"] == round(
        common_share(pruned_wiring(one.cells["normal"]), pruned_wiring(other.cells["normal"])), 4
    )
    assert (normal["agreement"], normal["chance"], normal["shared"], normal["same_ops"]) == (0.875, 0.6417, 7, 3)
    assert reduce["agreement"] == 0.875
    # DARTS reads node 2 at node 5 where PC-DARTS reads input 1.
    edges = {tuple(each["edge"]): each["ops"] for each in told["differences"] if each["kind"] == "normal"}
    assert edges[2, 5] == [["dil_conv_3x3"], None] and edges[1, 5] == [None, ["dil_conv_3x3"]]
    assert (1, 2) not in edges
    # As Shu, Wang and Cai (2020) print it of DARTS, whose depth counts the step to the output too.
    assert told["cells"][0]["shape"]["normal"] == {"depth": 2, "width": 3.5}
    assert [cell["params"] for cell in told["cells"]] == [3_349_342, 3_634_678]


def test_a_run_tells_its_accuracy_and_the_network_that_it_trained(run: Path) -> None:
    told = json.loads(ftso("compare", run, "darts_v2", "--json").stdout)
    mine, published = told["cells"]
    assert mine["run"]["test_accuracy"] == json.loads((run / "result.json").read_bytes())["test_accuracy"]
    assert mine["run"]["epochs"] == 1 and mine["run"]["params"] < mine["params"] == published["params"]
    assert "run" not in published and told["differences"] == []


def test_the_tables_fit_eighty_columns(run: Path) -> None:
    result = ftso("compare", run, "darts_v2", "nasnet_a", "pc_darts_cifar", "amoebanet_a")
    assert result.exit_code == 0, result.output
    assert all(len(line) <= 80 for line in result.stdout.splitlines())
    text = " ".join(result.stdout.split())
    assert "0.88, chance 0.64" in text and "sep 3×3+sep 5×5" in text and "accuracy" in text
    assert "all edges and operators are the same" in ftso("compare", "darts_v2", "DARTS").stdout


def test_a_searched_cell_is_compared_as_it_would_be_pruned(searched: Genotype, searched_file: Path) -> None:
    pruned = searched_file.with_name("pruned.json")
    storage.write_genotype(edit.keep_strongest(searched)[0], pruned)
    result = ftso("compare", searched_file, pruned)
    assert "not pruned" in result.stderr and "all edges and operators are the same" in result.stdout
    told = json.loads(ftso("compare", searched_file, "darts_v2", "--json").stdout)
    assert told["pairs"][0]["same_ops"] is None and "params" not in told["cells"][0]
    assert storage.read_genotype(searched_file) == searched


@pytest.mark.parametrize(
    ("sources", "status", "problem"),
    [
        (["darts_v2"], 2, "give 2 to 26 cells"),
        (["darts_v2", "nats"], 1, "no edges to compare"),
        (["darts_v2", "folder"], 1, "no run folder"),
    ],
)
def test_what_can_not_be_compared_is_told(sources: list[str], status: int, problem: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    ftso("import", "|nor_conv_3x3~0|+|none~0|none~1|+|none~0|none~1|skip_connect~2|", "-o", tmp_path / "nats")
    paths = [source if source == "darts_v2" else str(tmp_path / source) for source in sources]
    result = ftso("compare", *paths)
    assert result.exit_code == status and problem in result.stderr


def test_a_cell_that_can_not_be_pruned_is_named(searched: Genotype, tmp_path: Path) -> None:
    normal = searched.cells["normal"]
    bare = normal.model_copy(update={"edges": tuple(edge.model_copy(update={"beta": None}) for edge in normal.edges)})
    storage.write_genotype(searched.replace(cells={**searched.cells, "normal": bare}), tmp_path / "bare.json")
    result = ftso("compare", "darts_v2", tmp_path / "bare.json")
    assert result.exit_code == 1 and f"{tmp_path / 'bare.json'}: cells.normal: edge 0→2 has no β" in result.stderr


def test_a_folder_of_runs_is_told_with_the_runs_in_it(run: Path) -> None:
    told = ftso("compare", run.parent, "darts_v2")
    assert told.exit_code == 1 and told.stderr.endswith(f"no run folder, but it holds some; name one: {run}\n")
