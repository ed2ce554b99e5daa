"""Classes of unequal size: what a training says and does about them, and how they are counted."""

import json
from pathlib import Path

import pytest
import torch
from sklearn.metrics import balanced_accuracy_score
from typer.testing import CliRunner, Result

from ftso_cli.cli.app import app
from ftso_cli.training.testing.evaluate import Score
from tests.images import write_folder

TINY = ("--channels", "4", "--cells", "2", "--epochs", "1", "--batch-size", "8", "--auxiliary", "0")


def ftso(*args: str | Path) -> Result:
    result = CliRunner().invoke(app, [str(arg) for arg in args])
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture(scope="module")
def uneven(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty-four training images of blue and green, four of red."""
    folder = write_folder(tmp_path_factory.mktemp("uneven"), train=24)
    for extra in sorted((folder / "train" / "red").iterdir())[4:]:
        extra.unlink()
    return folder


@pytest.mark.parametrize(
    ("balance", "says"),
    [
        ("none", "--balance loss or sampling makes up for it"),
        ("loss", "the loss weighs images inversely to the root of the size of their class"),
        ("sampling", "an epoch draws all classes equally often"),
    ],
)
def test_a_training_says_that_classes_are_uneven_and_what_is_done(
    balance: str, says: str, uneven: Path, tmp_path: Path
) -> None:
    told = ftso("train", "darts_v2", *TINY, "--data", uneven, "--balance", balance, "-o", tmp_path / "run").stderr
    assert f"classes differ in size, 4 images of red, 24 of blue: {says}" in " ".join(told.split())
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    shares = json.loads(ftso("evaluate", tmp_path / "run", "--json").stdout)["class_accuracies"].values()
    assert result["balanced_accuracy"] == pytest.approx(sum(shares) / 3)


def test_nothing_is_said_of_classes_of_like_size(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "even", train=8)
    assert "differ in size" not in ftso("train", "darts_v2", *TINY, "--data", folder, "-o", tmp_path / "run").stderr


def test_balanced_accuracy_is_that_of_scikit_learn_and_passes_over_classes_without_images() -> None:
    confusion = torch.tensor([[8, 2, 0], [0, 0, 0], [3, 0, 1]])
    score = Score(images=14, top5=1.0, loss=0.5, confusion=confusion, classes=("a", "b", "c"))
    truth = [0] * 10 + [2] * 4
    answers = [0] * 8 + [1] * 2 + [0] * 3 + [2]
    assert score.balanced_accuracy == pytest.approx(0.525)
    with pytest.warns(UserWarning, match="y_pred contains classes"):
        assert score.balanced_accuracy == pytest.approx(balanced_accuracy_score(truth, answers))
