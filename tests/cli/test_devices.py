"""A run that was started on a machine with a GPU goes on where there is none."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner, Result

from ftso_cli.api.training.starting import reopened_training
from ftso_cli.cli.app import app
from ftso_cli.nn.checkpoint import State
from ftso_cli.nn.distributed import ALONE

OPTIONS = ["--channels", "4", "--cells", "2", "--epochs", "2", "--batch-size", "256", "--drop-path", "0.2"]

pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")


def ftso(*args: str | Path, status: int = 0) -> Result:
    result = CliRunner().invoke(app, [str(arg) for arg in args])
    assert result.exit_code == status, result.output
    return result


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run in its second epoch, as a GPU leaves it: with its device, and the random state of its generator."""
    run = tmp_path_factory.mktemp("elsewhere") / "run"
    ftso("train", "ftso_wide_sep3", *OPTIONS, "-o", run)
    (run / "checkpoint-before.safetensors").replace(run / "checkpoint.safetensors")
    for name in ("weights.safetensors", "result.json"):
        (run / name).unlink()
    trainer = reopened_training(run, ALONE)
    state, _ = trainer.checkpoints.read()
    (run / "checkpoint.safetensors").unlink()
    trainer.checkpoints.write(
        State(tensors={**state.tensors, "drop_path": torch.zeros(16, dtype=torch.uint8)}, values=state.values)
    )
    config = run / "config.json"
    config.write_text(config.read_text().replace('"device": "cpu"', '"device": "cuda:3"'))
    return run


@pytest.fixture
def run(elsewhere: Path, tmp_path: Path) -> Path:
    shutil.copytree(elsewhere, tmp_path / "run")
    return tmp_path / "run"


def test_a_run_of_a_gpu_goes_on_with_the_device_that_is_here_and_says_so(run: Path) -> None:
    said = ftso("train", "--resume", run).stderr
    assert "the run was started on cuda:3; going on on cpu" in said and "going on after epoch 1 of 2" in said
    assert json.loads((run / "result.json").read_text())["test_images"] == 359


def test_a_run_goes_on_on_the_device_that_is_asked_for(run: Path) -> None:
    ftso("train", "--resume", run, "--device", "cpu")
    assert load_file(run / "weights.safetensors")
    said = ftso("train", "--resume", run, "--device", "cuda:3", status=1).stderr
    assert said == "error: device 'cuda:3' is not available here; use --device cpu or --device auto\n"


def test_a_run_of_a_gpu_is_evaluated_and_used_without_one(run: Path) -> None:
    assert "not finished" in ftso("evaluate", run).stderr
    assert "ms a batch" in ftso("latency", run, "--runs", "2").stdout


def test_a_run_of_a_gpu_is_repeated_without_one(run: Path) -> None:
    told = ftso("train", "--config", run / "config.json", "--epochs", "1", "-o", run.parent / "again").stderr
    assert "device cuda:3 of the settings is not here; training on cpu" in told
    assert json.loads((run.parent / "again/config.json").read_text())["device"] == "cpu"
    said = ftso("train", "--config", run / "config.json", "--device", "cuda", "-o", run.parent / "x", status=1).stderr
    assert "use --device cpu" in said
