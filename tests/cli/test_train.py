"""`train` and `evaluate` as a user runs them, killed processes included."""

import csv
import json
import re
import signal
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from typer.testing import CliRunner, Result

from ftso_cli.cli.app import app
from ftso_cli.genotype import library, storage
from tests.forks import run_ftso, signalled
from tests.images import write_folder

SMALL = ["--channels", "4", "--cells", "3", "--epochs", "2", "--batch-size", "256"]


def ftso(*args: str | Path) -> Result:
    return CliRunner().invoke(app, [str(arg) for arg in args])


def test_a_training_leaves_a_run_whose_accuracy_can_be_repeated(tmp_path: Path) -> None:
    run = tmp_path / "run"
    result = ftso("train", "darts_v2", "--data", "digits", *SMALL, "-o", run)
    assert result.exit_code == 0, result.output
    names = {
        "genotype.json",
        "config.json",
        "images.json",
        "metrics.csv",
        "metrics.png",
        "metrics.svg",
        "checkpoint.safetensors",
        "checkpoint-before.safetensors",
        "weights.safetensors",
        "result.json",
        "answers.csv",
        "latency.json",
    }
    assert {path.name for path in run.iterdir()} == names
    accuracy = json.loads((run / "result.json").read_text())["test_accuracy"]
    assert f"test accuracy {accuracy:.2%}" in result.stdout
    counted = ftso("cost", "darts_v2", *SMALL[:4], "--image-size", "8", "--image-channels", "1", "--json").stdout
    (cost,) = json.loads(counted)["networks"]
    helper = cost["params_with_auxiliary"] - cost["params"]
    assert f"{cost['params']:,} parameters and {helper:,} of the auxiliary head" in result.stderr
    assert "1438 training images of 8×8, 10 classes, on cpu" in result.stderr
    assert storage.read_genotype(run / "genotype.json") == library.load_genotype("darts_v2")
    assert json.loads((run / "config.json").read_text())["recipe"]["epochs"] == 2
    again = ftso("evaluate", run, "--json")
    assert json.loads(again.stdout)["test_accuracy"] == accuracy


def test_the_curves_of_a_resumed_training_are_whole_in_tensorboard_and_as_pictures(tmp_path: Path) -> None:
    run = tmp_path / "run"
    options = ["--channels", "4", "--cells", "2", "--batch-size", "256", "--auxiliary", "0", "--tensorboard"]
    assert ftso("train", "darts_v2", *options, "--epochs", "2", "-o", run).exit_code == 0
    config = (run / "config.json").read_text()
    (run / "config.json").write_text(config.replace('"epochs": 2', '"epochs": 4'))
    (run / "result.json").unlink()
    assert ftso("train", "--resume", run, "--tensorboard").exit_code == 0
    events = EventAccumulator(str(run / "tensorboard")).Reload()
    rows = csv.DictReader((run / "metrics.csv").read_text().splitlines())
    losses = [(int(row["epoch"]), pytest.approx(float(row["loss"]))) for row in rows]
    assert [(event.step, event.value) for event in events.Scalars("train/loss")] == losses
    assert [event.step for event in events.Scalars("test/accuracy")] == [2, 4]
    assert "<svg" in (run / "metrics.svg").read_text()
    with Image.open(run / "metrics.png") as image:
        assert image.size[0] > 500


def test_a_folder_of_images_trains_to_a_high_accuracy(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "images")
    options = ["--channels", "4", "--cells", "3", "--epochs", "8", "--batch-size", "12", "--cutout", "0"]
    result = ftso("train", "ftso_wide_sep3", "--data", folder, *options, "-o", tmp_path / "run", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["test_accuracy"] >= 0.9
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["classes"] == ["blue", "green", "red"] and config["data"] == str(folder.resolve())


def test_a_run_folder_is_named_after_cell_and_data_and_never_written_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("darts_v2-digits", "darts_v2-digits-2"):
        assert ftso("train", "darts_v2", *SMALL, "--epochs", "1").exit_code == 0
        assert (tmp_path / "runs" / name / "result.json").exists()
    result = ftso("train", "darts_v2", *SMALL, "-o", "runs/darts_v2-digits")
    assert result.exit_code == 1 and "--resume runs/darts_v2-digits" in result.stderr


def test_a_killed_training_resumes_to_the_weights_of_an_uninterrupted_one(tmp_path: Path) -> None:
    start = ["train", "darts_v2", "--channels", "4", "--cells", "2", "--epochs", "3", "--batch-size", "256", "-o"]
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert run_ftso(*start, whole).returncode == 0
    assert signalled([*start, broken], broken / "metrics.csv", 1).returncode == -signal.SIGKILL
    assert not (broken / "weights.safetensors").exists()
    resumed = run_ftso("train", "--resume", broken)
    assert resumed.returncode == 0 and b"going on after epoch" in resumed.stderr
    expected, found = load_file(whole / "weights.safetensors"), load_file(broken / "weights.safetensors")
    assert expected.keys() == found.keys()
    assert all(expected[name].equal(found[name]) for name in expected)


def test_ctrl_c_stops_with_status_130_and_says_how_to_go_on(tmp_path: Path) -> None:
    run = tmp_path / "run"
    asked = ["train", "darts_v2", "--channels", "4", "--cells", "2", "--epochs", "500", "--batch-size", "256"]
    done = signalled([*asked, "-o", run], run / "metrics.csv", 1, signal.SIGINT)
    stderr = done.stderr.decode()
    assert done.returncode == 130
    saved = rf"{run}/checkpoint\.safetensors holds all until (step \d+ of )?epoch \d+"
    assert re.search(rf"stopped; {saved}, go on with: ftso train --resume {run}\n", stderr)
    assert "Traceback" not in stderr


def test_a_run_can_be_done_again_as_its_config_says(tmp_path: Path) -> None:
    first, again, other = tmp_path / "first", tmp_path / "again", tmp_path / "other"
    options = [*SMALL, "--seed", "3", "--schedule", "linear", "--momentum", "0.8", "--clip", "1", "--drop-path", "0.2"]
    assert ftso("train", "darts_v2", *options, "-o", first).exit_code == 0
    assert ftso("train", "--config", first / "config.json", "-o", again).exit_code == 0
    assert ftso("train", "--config", first / "config.json", "--seed", "4", "--epochs", "1", "-o", other).exit_code == 0
    assert (first / "config.json").read_bytes() == (again / "config.json").read_bytes()
    assert (first / "genotype.json").read_bytes() == (again / "genotype.json").read_bytes()
    expected, found = load_file(first / "weights.safetensors"), load_file(again / "weights.safetensors")
    assert all(expected[name].equal(found[name]) for name in expected)
    changed = json.loads((other / "config.json").read_text())
    assert (changed["seed"], changed["recipe"]["epochs"], changed["recipe"]["schedule"]) == (4, 1, "linear")


def test_a_config_written_by_hand_names_a_recipe_and_overrules_it(tmp_path: Path) -> None:
    values = {"name": "cifar", "channels": 4, "cells": 3, "epochs": 1, "batch_size": 512}
    config = tmp_path / "mine.json"
    config.write_text(json.dumps({"cell": "darts_v2", "data": "digits", "recipe": values, "precision": "bfloat16"}))
    assert ftso("train", "--config", config, "-o", tmp_path / "run").exit_code == 0
    saved = json.loads((tmp_path / "run" / "config.json").read_text())
    assert saved["recipe"]["drop_path"] == 0.3 and saved["recipe"]["channels"] == 4 and saved["precision"] == "bfloat16"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "mine.json"),
        ('{"epochs": 3}', "epochs"),
        ('{"recipe": {"epoch": 3}}', "did you mean epochs"),
        ('{"recipe": {"epochs": 2.5}}', "epochs"),
        ('{"recipe": {"schedule": "step"}}', "schedule"),
        ('{"recipe": "cifr"}', "did you mean cifar"),
        ('{"recipe": {"epochs": 0}}', "epochs must be at least 1"),
        ('{"seed": -1}', "seed"),
    ],
)
def test_a_wrong_config_gets_one_clear_line(content: str, says: str, tmp_path: Path) -> None:
    config = tmp_path / "mine.json"
    config.write_text(content)
    result = ftso("train", "darts_v2", "--config", config, "-o", tmp_path / "run")
    assert result.exit_code == 1 and says in " ".join(result.stderr.split())
    assert result.stderr.startswith("error: ") and result.stderr.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_a_damaged_checkpoint_is_told_and_the_one_before_is_used(tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert ftso("train", "darts_v2", *SMALL, "-o", run).exit_code == 0
    expected = (run / "weights.safetensors").read_bytes()
    checkpoint = run / "checkpoint.safetensors"
    checkpoint.write_bytes(checkpoint.read_bytes()[:-100])
    result = ftso("train", "--resume", run)
    assert result.exit_code == 0, result.output
    assert "checkpoint.safetensors: damaged" in result.stderr and "going on after epoch 1 of 2" in result.stderr
    assert (run / "weights.safetensors").read_bytes() == expected


@pytest.mark.parametrize(
    ("args", "status", "says"),
    [
        ([], 2, "--resume RUN"),
        (["nowhere.json"], 1, "no such file"),
        (["darts_v2", "--epochs", "0"], 2, "--epochs"),
        (["darts_v2", "--rate", "nan"], 2, "--rate"),
        (["darts_v2", "--recipe", "cifr"], 1, "did you mean cifar"),
        (["darts_v2", "--data", "nowhere"], 1, "--data digits"),
        (["darts_v2", "--batch-size", "5000"], 1, "--batch-size"),
        (["darts_v2", "--resume", "somewhere"], 2, "alone"),
        (["--resume", "nowhere"], 1, "no run folder, nothing is there"),
    ],
)
def test_bad_requests_get_one_clear_line(
    args: list[str], status: int, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = ftso("train", *args)
    assert result.exit_code == status
    assert says in " ".join(result.stderr.split())
    assert "Traceback" not in result.output
    if status == 1:
        assert result.stderr.startswith("error: ") and result.stderr.count("\n") == 1
        assert not list(tmp_path.iterdir())


def test_a_cell_that_is_not_finished_is_sent_to_the_next_command(tmp_path: Path) -> None:
    cell = tmp_path / "cell.json"
    ftso("search-topology", "--iters", "1", "--channels", "8", "--cells", "3", "--batch-size", "8", "-o", cell)
    result = ftso("train", cell)
    assert result.exit_code == 1 and f"run: ftso prune {cell}" in result.stderr
    ftso("prune", cell)
    result = ftso("train", cell)
    assert result.exit_code == 1 and f"run: ftso assign-ops {cell}" in result.stderr


def test_evaluating_what_is_no_run_gets_one_clear_line(tmp_path: Path) -> None:
    result = ftso("evaluate", tmp_path)
    assert result.exit_code == 1 and "no run folder" in result.stderr and result.stderr.count("\n") == 1


def test_a_warm_up_that_is_cut_is_told_and_one_that_is_given_is_not(tmp_path: Path) -> None:
    words = ["train", "darts_v2", "--recipe", "imagenet", "--image-size", "16", *SMALL]
    told = ftso(*words, "-o", tmp_path / "cut")
    assert told.exit_code == 0, told.output
    assert "warm-up: 0 epochs instead of the recipe's 5" in told.stderr
    given = ftso(*words, "--warmup", "1", "-o", tmp_path / "given")
    assert given.exit_code == 0 and "warm-up" not in given.stderr
    long = ftso("train", "darts_v2", "--epochs", "3", "--warmup", "4", "-o", tmp_path / "long")
    assert long.exit_code == 1 and "a warm-up of 4 epochs never reaches the rate in 3" in long.stderr
    assert not (tmp_path / "long").exists()


def test_a_clip_of_zero_trains_as_one_that_never_clips(tmp_path: Path) -> None:
    for clip in ("0", "1e9"):
        done = ftso("train", "darts_v2", *SMALL, "--clip", clip, "-o", tmp_path / clip)
        assert done.exit_code == 0, done.output
    weights = [load_file(tmp_path / clip / "weights.safetensors") for clip in ("0", "1e9")]
    assert all(torch.equal(tensor, weights[1][name]) for name, tensor in weights[0].items())
