"""Trainings with augmentation, mixing and balance, as whole commands: killed within an epoch, they end as if not."""

import json
import signal
from pathlib import Path

import pytest
from safetensors.torch import load_file
from typer.testing import CliRunner, Result

from ftso_cli.cli.app import app
from tests.forks import signalled
from tests.images import write_folder

OPTIONS = ("--channels", "4", "--cells", "2", "--epochs", "2", "--batch-size", "8", "--save-every", "0")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of 40 pixels, 24 of each of two classes and 8 of a third: seven batches of eight."""
    folder = write_folder(tmp_path_factory.mktemp("photos"), size=40)
    for extra in sorted((folder / "train" / "red").iterdir())[8:]:
        extra.unlink()
    return folder


def ftso(*args: str | Path) -> Result:
    result = CliRunner().invoke(app, [str(arg) for arg in args])
    assert result.exit_code == 0, result.output
    return result


@pytest.mark.parametrize(
    "habits",
    [
        "--augmentation light --balance loss",
        "--augmentation strong --mixup 0.2 --cutmix 1 --balance sampling --label-smoothing 0.1",
        "--augmentation none --cutmix 1 --precision bfloat16",
    ],
)
def test_a_killed_training_goes_on_to_the_same_weights(habits: str, photos: Path, tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    asked = ["train", "darts_v2", "--data", photos, *OPTIONS, *habits.split(), "-o"]
    ftso(*asked, whole)
    # The tenth checkpoint is that of the third step of the second epoch.
    killed = signalled([*asked, broken], broken / "checkpoint.safetensors", 9)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert "going on after epoch 1 of 2, step 2" in ftso("train", "--resume", broken).stderr
    expected, found = (load_file(run / "weights.safetensors") for run in (whole, broken))
    assert all(expected[name].equal(found[name]) for name in expected)
    results = [json.loads((run / "result.json").read_text()) for run in (whole, broken)]
    assert results[0] == results[1]
