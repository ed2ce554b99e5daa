"""Images are mirrored in training by choice: classes that differ by left and right are learned without."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from ftso_cli.cli.app import app
from ftso_cli.report.commands import train_command
from ftso_cli.report.run.trained import read_trained_run
from ftso_cli.studies.plan import Stage
from ftso_cli.studies.work import arguments

OPTIONS = ["--channels", "4", "--cells", "1", "--epochs", "6", "--batch-size", "8", "--cutout", "0", "--auxiliary", "0"]


def ftso(*args: str | Path, status: int = 0) -> Result:
    result = CliRunner().invoke(app, [str(arg) for arg in args])
    assert result.exit_code == status, result.output
    return result


@pytest.fixture(scope="module")
def arrows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Triangles that point to the left and to the right, 40 each, with noise."""
    folder, noise = tmp_path_factory.mktemp("arrows"), np.random.default_rng(0)
    rows, columns = np.mgrid[:8, :8]
    left = np.where(columns >= np.abs(rows - 3.5) * 2, 220, 30)
    for name, shape in (("left", left), ("right", left[:, ::-1])):
        (folder / name).mkdir()
        for number in range(40):
            pixels = np.clip(shape + noise.normal(0, 25, (8, 8)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).convert("RGB").save(folder / name / f"{number}.png")
    return folder


def config(run: Path) -> dict:
    return json.loads((run / "config.json").read_text())


def test_what_differs_by_left_and_right_is_learned_without_mirroring(arrows: Path, tmp_path: Path) -> None:
    result = ftso("train", "ftso_wide_sep3", "--data", arrows, *OPTIONS, "--no-flip", "-o", tmp_path / "run", "--json")
    assert json.loads(result.stdout)["test_accuracy"] == 1
    assert "training images are not mirrored (--no-flip)" in result.stderr
    assert config(tmp_path / "run")["flip"] is False
    assert " --no-flip" in train_command(read_trained_run(tmp_path / "run"))


def test_mirroring_is_said_and_kept_by_what_repeats_or_resumes_a_run(arrows: Path, tmp_path: Path) -> None:
    short = [*OPTIONS[:4], "--epochs", "1", *OPTIONS[6:]]
    said = ftso("train", "ftso_wide_sep3", "--data", arrows, *short, "-o", tmp_path / "run").stderr
    assert "half of the training images are mirrored; where classes differ by left and right: --no-flip" in said
    assert config(tmp_path / "run")["flip"] is True
    ftso("train", "--config", tmp_path / "run/config.json", "--no-flip", "-o", tmp_path / "again")
    ftso("train", "--config", tmp_path / "again/config.json", "-o", tmp_path / "third")
    assert config(tmp_path / "again")["flip"] is config(tmp_path / "third")["flip"] is False
    (tmp_path / "third/weights.safetensors").unlink()
    assert "not mirrored" in ftso("train", "--resume", tmp_path / "third").stderr


def test_a_run_of_an_earlier_version_mirrors_as_it_did(arrows: Path, tmp_path: Path) -> None:
    short = [*OPTIONS[:4], "--epochs", "1", *OPTIONS[6:]]
    ftso("train", "ftso_wide_sep3", "--data", arrows, *short, "-o", tmp_path / "run")
    old = config(tmp_path / "run")
    del old["flip"]
    (tmp_path / "run/config.json").write_text(json.dumps(old))
    assert "are mirrored" in ftso("train", "--resume", tmp_path / "run").stderr


@pytest.mark.parametrize(("value", "flag"), [(True, "--flip"), (False, "--no-flip")])
def test_a_study_may_say_whether_images_are_mirrored(value: bool, flag: str, tmp_path: Path) -> None:
    words = arguments(Stage(name="train", options={"flip": value}, key="0"), "cell.json", tmp_path)
    assert flag in words
