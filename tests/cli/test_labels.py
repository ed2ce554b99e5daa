"""Labels from a table, and nested folders, from training to prediction."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import ftso_cli
from ftso_cli.cli.app import app
from ftso_cli.report.commands import train_command
from ftso_cli.report.run.trained import read_trained_run
from tests.images import write_folder

SMALL = ["--channels", "4", "--cells", "1", "--epochs", "1", "--batch-size", "8", "--cutout", "0", "--auxiliary", "0"]


def ftso(*args: str | Path, status: int = 0) -> Result:
    result = CliRunner().invoke(app, [str(arg) for arg in args])
    assert result.exit_code == status, result.output
    return result


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of 36 images of three colours, whose folders say nothing of them."""
    root = tmp_path_factory.mktemp("labelled")
    made = write_folder(root / "made", train=10, test=2)
    lines = ["path,label,group"]
    (root / "all").mkdir()
    for number, path in enumerate(sorted(made.rglob("*.png"))):
        path.rename(root / f"all/{number:02}.png")
        lines.append(f"all/{number:02}.png,{path.parent.name},{number // 2}")
    (root / "labels.csv").write_text("\n".join(lines))
    return root


@pytest.fixture(scope="module")
def run(labelled: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    ftso("train", "ftso_residual", "--data", labelled / "labels.csv", "--validation", "0.25", *SMALL, "-o", folder)
    return folder


def result_of(run: Path) -> float:
    return json.loads((run / "result.json").read_text())["test_accuracy"]


def test_a_run_of_a_table_is_tested_again_though_the_table_has_changed(run: Path, labelled: Path) -> None:
    record = json.loads((run / "images.json").read_text())
    assert len(record["train"]) + len(record["val"]) + len(record["test"]) == 36 and len(record["val"]) == 6
    assert {name: record["groups"][name] for name in record["test"]}.keys() == record["test"].keys()
    content = (labelled / "labels.csv").read_bytes()
    try:
        for changed in (b"path,label\nall/00.png,red\n", None):
            (labelled / "labels.csv").unlink()
            if changed:
                (labelled / "labels.csv").write_bytes(changed)
            assert json.loads(ftso("evaluate", run, "--json").stdout)["test_accuracy"] == result_of(run)
    finally:
        (labelled / "labels.csv").write_bytes(content)


def test_it_goes_on_and_is_repeated_to_the_same_weights(run: Path, labelled: Path, tmp_path: Path) -> None:
    ftso("train", "--config", run / "config.json", "-o", tmp_path / "again")
    weights = (run / "weights.safetensors").read_bytes()
    assert (tmp_path / "again/weights.safetensors").read_bytes() == weights
    (tmp_path / "again/weights.safetensors").unlink()
    ftso("train", "--resume", tmp_path / "again")
    assert (tmp_path / "again/weights.safetensors").read_bytes() == weights


def test_another_table_tests_it_and_a_label_that_it_lacks_is_named(run: Path, labelled: Path) -> None:
    (labelled / "some.csv").write_text("label;path\nred;all/35.png\nblue;all/01.png\n")
    assert json.loads(ftso("evaluate", run, "--data", labelled / "some.csv", "--json").stdout)["images"] == 2
    (labelled / "others.csv").write_text("label;path\npink;all/35.png\n")
    said = ftso("evaluate", run, "--data", labelled / "others.csv", status=1).stderr
    assert "others.csv, line 2: label 'pink' is not among blue, green, red" in said


def test_a_search_takes_a_table(labelled: Path, tmp_path: Path) -> None:
    small = ["--iters", "1", "--batch-size", "4", "--cells", "1", "--channels", "4"]
    ftso("search-topology", "--data", labelled / "labels.csv", *small, "-o", tmp_path / "cell.json")
    assert json.loads((tmp_path / "cell.json").read_text())["history"][0]["data"] == str(labelled / "labels.csv")


def test_nested_folders_are_trained_on_by_choice_and_known_again(tmp_path: Path) -> None:
    made = write_folder(tmp_path / "made", train=8, test=2)
    for path in sorted(made.rglob("*.png"))[::2]:
        path.parent.joinpath("more").mkdir(exist_ok=True)
        path.rename(path.parent / "more" / path.name)
    plain = ftso("train", "ftso_residual", "--data", made, *SMALL, "-o", tmp_path / "plain")
    assert "15 × image in a folder within a class, move it up into the class or train with --nested" in plain.stderr
    ftso("train", "ftso_residual", "--data", made, "--nested", *SMALL, "-o", tmp_path / "run")
    assert len(json.loads((tmp_path / "run/images.json").read_text())["train"]) == 24
    assert " --nested" in train_command(read_trained_run(tmp_path / "run"))
    told = json.loads(ftso("evaluate", tmp_path / "run", "--json").stdout)
    assert (told["test_accuracy"], told["images"]) == (result_of(tmp_path / "run"), 6)
    made.rename(tmp_path / "moved")
    told = json.loads(ftso("evaluate", tmp_path / "run", "--data", tmp_path / "moved", "--json").stdout)
    assert (told["test_accuracy"], told["images"]) == (result_of(tmp_path / "run"), 6)
    assert ftso_cli.load(tmp_path / "run").classes == ("blue", "green", "red")
