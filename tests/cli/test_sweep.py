"""`ftso sweep` from the study file to table and figure."""

import csv
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ftso_cli.cli.app import app
from ftso_cli.genotype import library
from ftso_cli.studies.analysis import results
from ftso_cli.training.run import Run
from tests.forks import run_ftso
from tests.processes import modules_imported_by
from tests.studies.studies import TRAINED, looked_up, written


def invoke(*args: str | Path) -> Result:
    return CliRunner().invoke(app, ["sweep", *map(str, args)], env={"COLUMNS": "200"})


ON_THE_WAY = (
    TRAINED.replace("iters = 1", "iters = 3, every = 1")
    .replace("epochs = 1 }", "epochs = 1, batch-size = 256, auxiliary = 0.0 }")
    .replace('name = "plain"', 'name = "first"\nprune.at = 1')
    .replace('name = "twice"\ntrain.epochs = 2', 'name = "last"\nprune.at = 3')
)
"""Two settings that train the cells that one search had on its way."""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished study of two settings on digits."""
    folder = tmp_path_factory.mktemp("sweep")
    ended = run_ftso("sweep", written(folder, ON_THE_WAY), "-o", folder / "run", "--workers", "2")
    assert ended.returncode == 0, ended.stderr.decode()
    return folder / "run"


def test_a_study_on_digits_gives_accuracies_costs_and_cells(trained: Path) -> None:
    first, last = results.read_trials(trained)
    assert (first.state, last.state) == ("done", "done")
    for one in (first, last):
        assert one.accuracy is not None
        assert 0.05 < one.accuracy <= 1
        assert one.seconds["train"] > 0
        assert one.folder is not None
        # Eight edges a cell, two cells.
        assert one.cells.count("=skip_connect") == 16
    assert library.load_genotype(str(first.folders["assign-ops"] / "cell.json")).stage == "complete"


def test_the_cells_that_one_search_had_on_its_way_are_trained(trained: Path) -> None:
    first, last = results.read_trials(trained)
    assert first.folders["search-topology"] == last.folders["search-topology"]
    kept = [
        library.load_genotype(str(one.folders["prune"] / "cell.json")).history[-1].settings["at"]
        for one in (first, last)
    ]
    assert kept == [1, 3]


def test_folds_cross_validate_the_network_that_is_chosen(tmp_path: Path) -> None:
    train = "train = { epochs = 1, channels = 8, cells = 2, stem = 'cifar', batch-size = 256 }"
    file = tmp_path / "folds.toml"
    file.write_text(f"data = 'digits'\nfolds = 2\n{train}\n")
    ended = run_ftso("sweep", file, "-o", tmp_path / "run", "--workers", "1")
    assert ended.returncode == 0 and b"tested on different images" not in ended.stderr, ended.stderr.decode()
    found = results.read_trials(tmp_path / "run")
    tests = [Run(one.folders["train"] / "run").result().tested_on for one in found]
    assert len(found) == len({*tests}) == 2
    answer = CliRunner().invoke(app, ["evaluate", str(found[1].folders["train"] / "run"), "--json"])
    assert json.loads(answer.stdout)["test_accuracy"] == pytest.approx(found[1].accuracy)
    assert "fold 2 of 2 of the training images of digits" in answer.stderr


def test_folds_have_no_meaning_for_a_search(tmp_path: Path) -> None:
    result = invoke(written(tmp_path, f"folds = 2\n{TRAINED}"), "--dry-run")
    assert result.exit_code == 1
    assert "search-topology would see the images of every fold" in result.stderr


def test_what_trials_share_is_done_once(trained: Path) -> None:
    stages = sorted(folder.name.rsplit("-", 1)[0] for folder in (trained / "stages").iterdir() if folder.is_dir())
    assert stages == ["assign-ops", "assign-ops", "prune", "prune", "search-topology", "train", "train"]


def test_the_parameters_are_those_that_cost_counts(trained: Path) -> None:
    one = results.read_trials(trained)[0]
    cell = one.folders["train"] / "run" / "genotype.json"
    cost = CliRunner().invoke(
        app,
        ["cost", str(cell), "--channels", "4", "--cells", "3", "--image-size", "8", "--image-channels", "1", "--json"],
    )
    assert cost.exit_code == 0, cost.output
    assert f'"params": {one.parameters}' in cost.output


def test_results_are_a_table_a_file_and_a_figure(trained: Path, tmp_path: Path) -> None:
    table, picture = tmp_path / "trials.csv", tmp_path / "figure.svg"
    result = invoke("results", trained, "--csv", table, "--figure", picture)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[0].split("  ")[0] == "setting"
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["setting"], row["seed"], row["state"]) for row in rows] == [
        ("first", "0", "done"),
        ("last", "0", "done"),
    ]
    assert "test error, %" in picture.read_text()
    assert (trained / "results.md").read_text().startswith("| setting | seeds | error % |")
    assert (trained / "figure.svg").stat().st_size < 100_000


def test_results_as_json_have_every_trial(trained: Path) -> None:
    facts = json.loads(invoke("results", trained, "--json").stdout)
    assert [row["setting"] for row in facts["settings"]] == ["first", "last"]
    error = 100 * (1 - facts["trials"][0]["accuracy"])
    assert facts["settings"][0]["error"] == {"n": 1, "mean": pytest.approx(error), "std": None, "half": None}


def test_the_status_counts_states_and_tells_errors(tmp_path: Path) -> None:
    study, folder = looked_up(tmp_path, "0", with_table=False), tmp_path / "run"
    assert run_ftso("sweep", study, "-o", folder).returncode == 1
    result = invoke("status", folder)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1].split() == ["all", "0", "0", "2", "0"]
    assert "table.csv: no such file" in result.stderr
    facts = json.loads(invoke("status", folder, "--json").stdout)
    assert (facts["failed"], len(facts["errors"])) == (2, 2)


def test_a_wrong_setting_is_one_line_and_leaves_nothing_behind(tmp_path: Path) -> None:
    result = invoke(written(tmp_path, TRAINED.replace("iters", "itres")), "-o", tmp_path / "run")
    assert result.exit_code == 1
    assert "did you mean iters?" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_another_study_in_the_folder_is_refused(trained: Path, tmp_path: Path) -> None:
    result = invoke(written(tmp_path, TRAINED, "another"), "-o", trained)
    assert result.exit_code == 1
    assert "holds the study study" in result.stderr


def test_a_folder_without_a_study_is_told(tmp_path: Path) -> None:
    result = invoke("results", tmp_path)
    assert result.exit_code == 1
    assert "no study" in result.stderr


def test_presets_are_listed_and_checked_without_running(tmp_path: Path) -> None:
    listed = invoke("--presets")
    assert listed.exit_code == 0
    assert [line.split()[0] for line in listed.stdout.splitlines()][-2:] == ["table3", "table3-imagenet"]
    assert invoke("table3", "--full", "--dry-run").stdout.startswith("20 settings x 4 seeds")
    as_data = json.loads(invoke("--presets", "--json").stdout)["presets"]
    assert [
        f"{name:<{max(map(len, as_data))}}  {title}" for name, title in as_data.items()
    ] == listed.stdout.splitlines()
    checked = json.loads(invoke("table3", "--full", "--dry-run", "--json").stdout)
    assert (checked["study"], checked["settings"], checked["trials"]) == ("table3-full", 20, 80)


def test_checking_a_study_imports_neither_torch_nor_optuna(tmp_path: Path) -> None:
    imported = modules_imported_by(["sweep", "table3", "--dry-run"])
    assert not imported & {"torch", "optuna", "matplotlib", "scipy"}
