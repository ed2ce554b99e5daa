"""`ftso train --from RUN`: a network that was trained elsewhere, on other classes, is where a training starts."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from sklearn.datasets import load_digits
from typer.testing import CliRunner, Result

import ftso_cli
from ftso_cli.cli.app import app

NETWORK = ["--channels", "4", "--cells", "3", "--auxiliary", "0", "--cutout", "0", "--no-flip"]
BRIEFLY = ["--epochs", "3", "--batch-size", "10", "--no-flip", "--cutout", "0"]


def ftso(*args: str | Path, status: int = 0) -> Result:
    result = CliRunner().invoke(app, [str(arg) for arg in args])
    assert result.exit_code == status, result.output
    return result


def write_digits(folder: Path, classes: range, train: int, test: int) -> Path:
    """Digits as images: the first `train` of a class to train on, the next `test` to test on."""
    digits = load_digits()
    for label in classes:
        images = digits.images[digits.target == label]
        for number, pixels in enumerate(images[: train + test]):
            place = folder / ("train" if number < train else "test") / str(label)
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray((pixels * 15).astype("uint8")).save(place / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a network of the digits 0 to 4 in `first`, and a few images of 5 to 9 in `few`."""
    folder = tmp_path_factory.mktemp("start")
    data = write_digits(folder / "many", range(5), 120, 20)
    ftso("train", "ftso_wide_sep3", "--data", data, *NETWORK, "--epochs", "6", "-o", folder / "first")
    write_digits(folder / "few", range(5, 10), 10, 40)
    return folder


@pytest.fixture(scope="module")
def second(there: Path) -> Path:
    """The run that starts from `first`."""
    ftso(
        "train",
        "--recipe",
        "quick",
        "--data",
        there / "few",
        "--from",
        there / "first",
        *BRIEFLY,
        "-o",
        there / "second",
    )
    return there / "second"


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / "weights.safetensors")


def accuracy(run: Path) -> float:
    found: float = json.loads((run / "result.json").read_text())["test_accuracy"]
    return found


def test_a_start_beats_random_weights_where_images_are_few(there: Path, second: Path) -> None:
    ftso("train", "ftso_wide_sep3", "--data", there / "few", *NETWORK, *BRIEFLY, "-o", there / "scratch")
    assert accuracy(second) > accuracy(there / "scratch") + 0.1


def test_a_start_brings_its_cell_shape_and_image_size(there: Path, second: Path) -> None:
    first, config = (json.loads((run / "config.json").read_text()) for run in (there / "first", second))
    assert [config["recipe"][name] for name in ("channels", "cells", "stem")] == [4, 3, "cifar"]
    assert config["image_size"] == first["image_size"] and config["mean"] == first["mean"]
    assert config["classes"] == ["5", "6", "7", "8", "9"] and config["start"]["run"] == "first"
    assert str(there) not in json.dumps(config["start"])
    started = load_file(second / "start.safetensors")
    assert not any(name.startswith("classifier.") for name in started)
    origin = weights(there / "first")
    assert all(torch.equal(tensor, origin[name]) for name, tensor in started.items())
    shape = [
        (edge.source, edge.target, edge.op) for edge in ftso_cli.read(second / "genotype.json").cells["normal"].kept
    ]
    assert shape == [
        (edge.source, edge.target, edge.op) for edge in ftso_cli.read("ftso_wide_sep3").cells["normal"].kept
    ]


def test_a_plan_says_nothing_of_the_cell_of_a_start_which_no_search_may_change(there: Path) -> None:
    run = there / "first"
    told = ftso("train", "--data", there / "few", "--from", run, "--time", "30s", "--dry-run").stderr
    assert "--batch-size" in told and "ftso_single" not in told
    refused = ftso("train", "--data", there / "few", "--from", run, "--time", "30s", "--search", status=2).stderr
    assert "changes the cell, whose weights --from has" in " ".join(refused.replace("│", "").split())


def test_a_frozen_body_stays_equal_to_the_last_bit_and_the_classifier_learns(there: Path) -> None:
    said = ftso(
        "train",
        "-r",
        "quick",
        "--data",
        there / "few",
        "--from",
        there / "first",
        "--freeze",
        *BRIEFLY,
        "-o",
        there / "frozen",
    ).stderr
    assert "starts from the network of first; all but its classifier stays as it is" in said
    first, frozen = weights(there / "first"), weights(there / "frozen")
    body = [name for name in first if not name.startswith("classifier.")]
    assert any("running_mean" in name for name in body) and all(torch.equal(first[name], frozen[name]) for name in body)
    assert accuracy(there / "frozen") > 0.3


def test_a_body_learns_by_its_share_of_the_rate(there: Path, second: Path) -> None:
    ftso(
        "train", "-r", "quick", "--data", there / "few", "--from", there / "first", *BRIEFLY,
        "--body-rate", "0", "--weight-decay", "0", "-o", there / "slow",
    )  # fmt: skip
    first, slow, fast = weights(there / "first"), weights(there / "slow"), weights(second)
    learnt = {name for name, _ in ftso_cli.load(there / "first").network.named_parameters()}
    body = [name for name in learnt if not name.startswith("classifier.")]
    assert all(torch.equal(first[name], slow[name]) for name in body)
    assert not any(torch.equal(first[name], fast[name]) for name in body)
    # Batch norms go on to take in what they see.
    assert any(not torch.equal(first[name], slow[name]) for name in first if "running_mean" in name)


def test_a_run_goes_on_and_is_repeated_though_the_other_run_is_gone(there: Path, second: Path, tmp_path: Path) -> None:
    shutil.copytree(second, tmp_path / "again")
    for name in ("weights.safetensors", "metrics.csv", "result.json", *(p.name for p in second.glob("checkpoint*"))):
        (tmp_path / "again" / name).unlink()
    (there / "first").rename(there / "gone")
    try:
        # As a kill before the first checkpoint leaves it.
        ftso("train", "--resume", tmp_path / "again")
        ftso("train", "--config", second / "config.json", "-o", tmp_path / "repeated")
    finally:
        (there / "gone").rename(there / "first")
    expected = weights(second)
    for run in ("again", "repeated"):
        found = weights(tmp_path / run)
        assert found.keys() == expected.keys() and all(torch.equal(found[name], expected[name]) for name in expected)
    for path in (tmp_path / "again").glob("checkpoint*"):
        path.unlink()
    start = tmp_path / "again" / "start.safetensors"
    save_file({"cells.0.x": torch.zeros(1)}, start)
    said = ftso("train", "--resume", tmp_path / "again", status=1).stderr
    assert "not the weights of first that config.json names" in " ".join(said.split())
    start.unlink()
    start.symlink_to("/dev/zero")
    assert "neither a file nor a link to one" in ftso("train", "--resume", tmp_path / "again", status=1).stderr


def test_equal_classes_keep_their_classifier(there: Path, tmp_path: Path) -> None:
    ftso(
        "train", "-r", "quick", "--data", there / "many", "--from", there / "first",
        "--freeze", "--epochs", "1", "--rate", "1e-9", "-o", tmp_path / "same",
    )  # fmt: skip
    assert accuracy(tmp_path / "same") == pytest.approx(accuracy(there / "first"), abs=0.02)


def test_a_network_is_chosen_around_a_start(there: Path, tmp_path: Path) -> None:
    ftso(
        "train", "--data", there / "few", "--from", there / "first",
        "--epochs", "1", "--batch-size", "10", "--validation", "0.2", "-o", tmp_path / "chosen",
    )  # fmt: skip
    config = json.loads((tmp_path / "chosen" / "config.json").read_text())
    assert [config["recipe"][name] for name in ("channels", "cells", "stem")] == [4, 3, "cifar"]
    assert config["recipe"]["schedule"] != "cosine" or config["recipe"]["nesterov"]


def test_what_does_not_fit_is_refused_in_one_line(there: Path, tmp_path: Path) -> None:
    few, first = there / "few", there / "first"
    hostile = tmp_path / "hostile"
    shutil.copytree(first, hostile)
    save_file({"x": torch.zeros(3)}, hostile / "weights.safetensors")
    linked = tmp_path / "linked"
    linked.mkdir()
    for name in ("genotype.json", "config.json"):
        shutil.copy(first / name, linked / name)
    (linked / "weights.safetensors").symlink_to("/dev/zero")
    for args, says, status in (
        (["--from", first, "--channels", "8"], "can't be 8: the network of --from has 4; leave it out", 2),
        (["darts_v2", "--from", first], "the network of another cell", 1),
        (["--from", few], "is no run folder", 2),
        (["--freeze"], "give --from RUN", 2),
        (["--body-rate", "0.1"], "give --from RUN", 2),
        (["--from", first, "--freeze", "--body-rate", "0.1"], "has no meaning with --freeze", 2),
        (["--from", hostile], "not the weights of the network that config.json describes", 1),
        (["--from", linked], "weights.safetensors", 1),
        (["--from", first, "--data", "digits"], "takes images of 3 channels, and those of digits have 1", 1),
        (["--resume", first, "--from", first], "a resumed run has its cell and settings", 2),
    ):
        data = [] if "digits" in args or "--resume" in args else ["--data", few, "-r", "quick", "-o", tmp_path / "new"]
        cell = ["ftso_wide_sep3"] if "--from" not in args else []
        said = " ".join(ftso("train", *cell, *args, *data, status=status).stderr.split())
        assert says in said and not (tmp_path / "new").exists()
