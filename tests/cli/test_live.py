"""What a search shows on the way: the cell in the terminal, and curves and pictures for TensorBoard."""

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ftso_cli.cli.app import app
from ftso_cli.genotype import storage
from tests.forks import in_a_terminal, run_ftso
from tests.images import write_folder

SMALL = ("--channels", "4", "--cells", "3", "--batch-size", "8")


def ftso(*args: str | Path) -> Result:
    return CliRunner().invoke(app, [str(arg) for arg in args])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("images"))


def shown_by(*args: str | Path) -> str:
    """What `ftso ARGS` writes to a terminal, without the signs that move its cursor."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", in_a_terminal(*args, columns=120))


def test_a_terminal_shows_the_leading_edges_of_each_node(folder: Path, tmp_path: Path) -> None:
    args = ("--data", folder, *SMALL, "--op", "max_pool_3x3", "--epochs", "2", "--nodes", "3")
    shown = shown_by("search-topology", *args, "-o", tmp_path / "cell.json")
    nodes = re.findall(r"2 ←  (\d) (\d\d\.\d)%  (\d) (\d\d\.\d)%", shown)
    assert nodes and all(float(first) >= float(second) for _, first, _, second in nodes)
    assert re.search(r"epoch +2 +iteration +\d+ +loss \d", shown)
    assert (tmp_path / "cell.search-topology" / "betas.csv").is_file(), "its history, beside the genotype"


def test_a_terminal_shows_what_leads_edges_where_several_operators_are_weighed(folder: Path, tmp_path: Path) -> None:
    args = ("--data", folder, *SMALL, "--op", "3op", "--iters", "2", "--nodes", "2")
    shown = shown_by("search-topology", *args, "-o", tmp_path / "cell.json")
    assert re.search(r"2 ←  \d \d\d\.\d% (max 3×3|skip) \d\d%", shown)


def test_a_terminal_shows_what_the_seeds_of_an_ensemble_say_so_far(folder: Path, tmp_path: Path) -> None:
    args = ("--data", folder, *SMALL, "--op", "max_pool_3x3", "--iters", "2", "--nodes", "2", "--seeds", "0-2")
    shown = shown_by("search-topology", *args, "--workers", "1", "-o", tmp_path / "cell.json")
    assert re.search(r"normal: 3 seeds, halves agree \d\.\d\d, chance \d\.\d\d", shown)
    assert re.search(r"3 ←(  \d \d\d\.\d% z -?\d+\.\d){3}", shown)


def test_a_terminal_shows_the_wirings_that_lead_a_race(folder: Path, tmp_path: Path) -> None:
    args = ("--data", folder, *SMALL, "--nodes", "2", "--rank", "race", "--budget", "272")
    shown = shown_by("search-topology", *args, "-o", tmp_path / "cell.json")
    assert re.search(r"final: [123] wirings?, by loss\s+\d\.\d{4}  normal 2←0,1 3←\d,\d  reduce 2←0,1", shown)


def test_without_a_terminal_nothing_is_drawn_and_json_stands_alone(folder: Path, tmp_path: Path) -> None:
    args = ("--data", folder, *SMALL, "--iters", "2", "--json", "-o", tmp_path / "cell.json")
    done = run_ftso("search-topology", *args)
    assert json.loads(done.stdout)["file"] == str(tmp_path / "cell.json")
    assert b"\x1b" not in done.stderr and "←" not in done.stderr.decode()


def curves(run: Path) -> tuple[dict[str, list[tuple[int, float]]], list[int]]:
    """The scalars by name, and the iterations of the pictures, that TensorBoard reads in a run folder."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    read = EventAccumulator(str(run / "tensorboard"), size_guidance={"images": 0})
    read.Reload()
    tags = read.Tags()
    scalars = {name: [(each.step, each.value) for each in read.Scalars(name)] for name in tags["scalars"]}
    return scalars, [each.step for name in tags["images"] for each in read.Images(name)]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tensorboard_gets_the_numbers_of_the_history_and_a_picture_every_epoch(folder: Path, tmp_path: Path) -> None:
    cell = tmp_path / "cell.json"
    args = ("--data", folder, *SMALL, "--every", "2", "--tensorboard")
    result = ftso("search-topology", *args, "--op", "max_pool_3x3", "--epochs", "2", "--nodes", "2", "-o", cell)
    assert result.exit_code == 0, result.output
    scalars, pictures = curves(tmp_path / "cell.search-topology")
    rows = (tmp_path / "cell.search-topology" / "betas.csv").read_text().splitlines()[1:]
    edge = [row.split(",") for row in rows if row.split(",")[1:4] == ["normal", "1", "3"]]
    assert dict(scalars["beta/normal/1-3"]) == pytest.approx({int(row[0]): float(row[5]) for row in edge[1:]})
    assert pictures == [2, 4, 8]  # The first record, and the ends of two epochs of four iterations.

    assert ftso("prune", cell).exit_code == 0
    ops = ("--ops", "skip_connect,sep_conv_3x3", "--iters", "2")
    assert ftso("search-ops", cell, *args, *ops).exit_code == 0
    scalars, pictures = curves(tmp_path / "cell.search-ops")
    assert len(pictures) == 1 and {"search/weight_loss", "search/skips"} <= set(scalars)
    parts = [scalars[f"alpha/normal/0-2/{op}"][-1][1] for op in ("skip_connect", "sep_conv_3x3")]
    assert sum(parts) == pytest.approx(1)
    inputs = [edge.source for edge in storage.read_genotype(cell).cells["normal"].inputs_of(3)]
    assert sum(scalars[f"beta/normal/{source}-3"][-1][1] for source in inputs) == pytest.approx(1)


def test_curves_need_a_folder(folder: Path) -> None:
    result = ftso("search", "-m", "darts-1st", "--data", folder, *SMALL, "--iters", "1", "--tensorboard", "-o", "-")
    assert result.exit_code == 2 and "--run DIR" in result.stderr
