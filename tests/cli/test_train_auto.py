"""`ftso train --data FOLDER`: network and recipe are chosen."""

import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner, Result

import ftso_cli
from ftso_cli.cli.app import app
from ftso_cli.genotype import library, storage
from tests.images import write_folder

TINY = ["--channels", "4", "--batch-size", "16"]


def ftso(*args: str | Path) -> Result:
    return CliRunner().invoke(app, [str(arg) for arg in args])


def test_a_folder_of_images_alone_becomes_a_trained_network(tmp_path: Path) -> None:
    data, run = write_folder(tmp_path / "photos", train=20, test=10, size=16), tmp_path / "run"
    result = ftso("train", "--data", data, "--channels", "4", "--epochs", "6", "-o", run)
    assert result.exit_code == 0, result.output
    assert storage.read_genotype(run / "genotype.json") == library.load_genotype("ftso_single")
    recipe = json.loads((run / "config.json").read_text())["recipe"]
    assert (recipe["channels"], recipe["epochs"], recipe["stem"]) == (4, 6, "cifar")
    assert recipe["schedule"] == "one-cycle"
    page = (run / "report.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>") and "<dt>latency</dt>" in page
    # What would be chosen is named, too: the command does the same on another machine.
    for option in ("--stem cifar", "--reduction pooled", "--channels 4",
                   "--batch-size 16", "--rate 0.025", "--balance none", "--keep best"):  # fmt: skip
        assert option in page
    assert json.loads((run / "images.json").read_text())["val"]
    assert json.loads((run / "result.json").read_text())["test_accuracy"] > 0.6
    told = " ".join(result.stderr.split())
    for choice in ("CELL ftso_single learns more than", "--image-size 16 the images' own size", "--cells 3 few cells",
                   "--augmentation light random crops", "--batch-size 16 3 steps an epoch"):  # fmt: skip
        assert choice in told
    assert "--channels 4" not in told
    (counted,) = json.loads(ftso("cost", run, "--json").stdout)["networks"]
    assert counted["auxiliary"] is None
    assert counted["params_with_auxiliary"] == counted["params"]


def test_a_dry_run_says_what_it_would_do_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = write_folder(tmp_path / "photos")
    monkeypatch.chdir(tmp_path)
    result = ftso("train", "--data", data, "--time", "20s", "--dry-run", *TINY)
    assert result.exit_code == 0, result.output
    assert "epochs" in result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photos"]


def test_a_dry_run_leaves_the_time_of_a_search_out_of_the_plan(tmp_path: Path) -> None:
    data = write_folder(tmp_path / "photos")
    result = ftso("train", "--data", data, "--time", "10m", "--search", "--dry-run", "--json", *TINY)
    assert result.exit_code == 0, result.output
    assert "--search takes up to 2 min first; the plan is for the rest" in result.stderr
    assert json.loads(result.stdout)["plan"]["seconds"] <= 480


def test_a_folder_that_holds_a_run_is_refused_before_images_are_read(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text("{}")
    data = write_folder(tmp_path / "photos")
    result = ftso("train", "--data", data, *TINY, "-o", tmp_path / "run")
    assert result.exit_code == 1 and "classes" not in result.stderr
    assert "run holds a run; go on with --resume" in result.stderr


def test_the_same_settings_again_give_the_same_network(tmp_path: Path) -> None:
    data, first, second = write_folder(tmp_path / "photos"), tmp_path / "first", tmp_path / "second"
    assert ftso("train", "--data", data, "--epochs", "2", *TINY, "-o", first).exit_code == 0
    assert ftso("train", "--config", first / "config.json", "-o", second).exit_code == 0
    assert (first / "weights.safetensors").read_bytes() == (second / "weights.safetensors").read_bytes()


def test_a_run_that_was_planned_is_planned_again_for_another_time(tmp_path: Path) -> None:
    data, run = write_folder(tmp_path / "photos", size=16), tmp_path / "run"
    own = ("--epochs", "2", "--channels", "4", "--mixup", "0.3")
    assert ftso("train", "--data", data, *own, "-o", run).exit_code == 0
    first = json.loads((run / "config.json").read_text())
    assert {"batch_size", "stem", "rate"} <= set(first["planned"])
    assert not {"epochs", "channels", "mixup"} & set(first["planned"])
    again = ("train", "--config", run / "config.json", "--recipe", "auto")
    result = ftso(*again, "--time", "10m", "--dry-run", "--json")
    assert result.exit_code == 0, result.output
    chosen = json.loads(result.stdout)["plan"]["chosen"]
    assert {"epochs", "batch_size"} <= chosen.keys() and not {"channels", "mixup"} & chosen.keys()
    result = ftso(*again, "--epochs", "1", "--batch-size", "8", "-o", tmp_path / "second")
    assert result.exit_code == 0, result.output
    second = json.loads((tmp_path / "second" / "config.json").read_text())
    values = second["recipe"]
    assert [values[name] for name in ("channels", "mixup", "epochs", "batch_size")] == [4, 0.3, 1, 8]
    assert "rate" in second["planned"] and "batch_size" not in second["planned"]


def test_a_search_tries_other_operators_first_and_the_run_keeps_what_it_found(tmp_path: Path) -> None:
    data, run = write_folder(tmp_path / "photos", train=20, test=10, size=16), tmp_path / "run"
    result = ftso("train", "--data", data, "--time", "10s", "--search", *TINY, "-o", run)
    assert result.exit_code == 0, result.output
    assert "search: " in result.stderr
    found, kept = storage.read_genotype(run / "genotype.json"), library.load_genotype("ftso_single")
    assert (found == kept) == ("the cell stays as it is" in result.stderr)
    refused = ftso("train", "--data", data, "--epochs", "2", "--search")
    assert refused.exit_code == 2
    assert "takes a share of the time; give --time instead of --epochs" in refused.stderr


def test_a_fold_is_tested_on_and_another_can_follow(tmp_path: Path) -> None:
    data = write_folder(tmp_path / "photos")
    runs = [tmp_path / "first", tmp_path / "again", tmp_path / "second"]
    settings = ["--epochs", "1", *TINY]
    assert ftso("train", "--data", data, "--fold", "1/2", *settings, "-o", runs[0]).exit_code == 0
    config = runs[0] / "config.json"
    assert ftso("train", "--config", config, "-o", runs[1]).exit_code == 0
    assert ftso("train", "--config", config, "--fold", "2/2", "-o", runs[2]).exit_code == 0
    first, again, second = (json.loads((run / "images.json").read_text()) for run in runs)
    assert first["test"] == again["test"]
    assert first["test"].keys() == {**second["train"], **second["val"]}.keys()
    refused = ftso("train", "--data", data, "--fold", "3/2")
    assert refused.exit_code == 2
    assert "'3/2' is no fold; write 2/5" in refused.stderr


def test_fewer_threads_of_a_plan_are_those_of_its_resumed_and_repeated_run(tmp_path: Path) -> None:
    data, run = write_folder(tmp_path / "photos"), tmp_path / "run"
    assert ftso("train", "--data", data, "--epochs", "2", *TINY, "-o", run).exit_code == 0
    file, seen = run / "config.json", set[int]()
    file.write_text(json.dumps(json.loads(file.read_text()) | {"threads": 2}))
    (run / "weights.safetensors").unlink()
    (run / "checkpoint.safetensors").unlink()
    threads = torch.get_num_threads()
    torch.set_num_threads(3)

    def progress(done: int, total: int, figures: str) -> None:
        seen.add(torch.get_num_threads())

    try:
        ftso_cli.train(resume=run, progress=progress)
        ftso_cli.train(config=file, output=tmp_path / "again", progress=progress)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(threads)
    assert seen == {2}
    assert json.loads((tmp_path / "again/config.json").read_text())["threads"] == 2


def test_a_cell_of_ones_own_can_have_its_network_chosen(tmp_path: Path) -> None:
    run = tmp_path / "run"
    data = write_folder(tmp_path / "photos")
    result = ftso("train", "darts_v2", "--recipe", "auto", "--data", data, "--epochs", "1", *TINY, "-o", run)
    assert result.exit_code == 0, result.output
    assert storage.read_genotype(run / "genotype.json") == library.load_genotype("darts_v2")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], "give the folder of your images, as in --data photos/"),
        (["--recipe", "cifar", "--data", "digits"], "give a cell to train, or --recipe auto"),
        (["darts_v2", "--data", "digits", "--dry-run"], "is for a network that is chosen: give --recipe auto"),
        (["--data", "digits", "--time", "500"], "'500' is no time; give one as in 2ms, 90s, 10m, 1h"),
        (["--data", "digits", "--fit-params", "3"], "nothing fits: even with 1 channel"),
    ],
)
def test_what_cannot_be_chosen_is_one_line(args: list[str], message: str) -> None:
    result = ftso("train", *args)
    assert result.exit_code in (1, 2)
    assert message in " ".join(result.stderr.replace("│", "").split())
