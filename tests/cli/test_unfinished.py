"""A training that was interrupted is used as it stands: its last whole checkpoint answers, and that is said."""

import json
from pathlib import Path

import pytest
from safetensors.torch import load_file
from typer.testing import CliRunner, Result

import ftso_cli
from ftso_cli.cli.app import app
from tests.data.images import write_folder

OPTIONS = ["--channels", "4", "--cells", "2", "--epochs", "3", "--batch-size", "8"]


def ftso(*args: str | Path, status: int = 0) -> Result:
    result = CliRunner().invoke(app, [str(arg) for arg in args])
    assert result.exit_code == status, result.output
    return result


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A training after its last epoch, without what is written at its end."""
    photos = write_folder(tmp_path / "photos", {"cat": 10, "dog": 10})
    ftso("train", "ftso_wide_sep3", "--data", photos, *OPTIONS, "-o", tmp_path / "run")
    (tmp_path / "run/weights.safetensors").rename(tmp_path / "whole.safetensors")
    (tmp_path / "run/result.json").unlink()
    return tmp_path / "run"


def test_the_network_of_the_last_checkpoint_is_used_and_told(run: Path) -> None:
    told = "not finished: this is the network after epoch 3 of 3, from checkpoint.safetensors"
    result = ftso("evaluate", run, "--json")
    assert told in result.stderr and json.loads(result.stdout)["unfinished"] == told
    assert told in ftso("predict", run, run.parent / "photos").stderr
    assert told in ftso("latency", run, "--runs", "2").stderr
    assert told in ftso("export", run, "--format", "safetensors").stderr
    loaded = ftso_cli.load(run)
    assert loaded.unfinished == told
    for name, tensor in load_file(run.parent / "whole.safetensors").items():
        assert tensor.equal(loaded.network.state_dict()[name])
    assert not (run / "result.json").exists() and not (run / "weights.safetensors").exists()


def test_where_the_last_checkpoint_is_damaged_the_one_before_is_used_and_nothing_is_moved(run: Path) -> None:
    checkpoint = run / "checkpoint.safetensors"
    checkpoint.write_bytes(damaged := checkpoint.read_bytes()[:-9])
    before = (run / "checkpoint-before.safetensors").read_bytes()
    said = ftso("evaluate", run).stderr
    assert "the network after epoch 2 of 3, from checkpoint-before.safetensors" in said
    assert checkpoint.read_bytes() == damaged and (run / "checkpoint-before.safetensors").read_bytes() == before
    (run / "checkpoint-before.safetensors").write_bytes(b"")
    assert "no checkpoint is left" in ftso("evaluate", run, status=1).stderr


def test_a_finished_training_is_not_called_unfinished(run: Path) -> None:
    (run.parent / "whole.safetensors").rename(run / "weights.safetensors")
    result = ftso("evaluate", run, "--json")
    assert "not finished" not in result.stderr and "unfinished" not in json.loads(result.stdout)
