"""What is said where `--compile` can't work."""

from pathlib import Path

import pytest
from torch._inductor.exc import InvalidCxxCompiler
from typer.testing import CliRunner

from ftso_cli.cli.app import app
from ftso_cli.errors import TrainingError
from ftso_cli.training.compiling import compiling

ASKED = ["train", "ftso_wide_sep3", "--data", "digits", "--channels", "4", "--cells", "2", "--epochs", "1", "--compile"]


def test_a_missing_compiler_is_told_before_anything_is_written(tmp_path: Path) -> None:
    run = tmp_path / "run"
    result = CliRunner().invoke(app, [*ASKED, "-o", str(run)], env={"CXX": "no-compiler"})
    assert result.exit_code == 1 and "there is no no-compiler here; install one" in result.stderr
    assert not run.exists()


def test_a_failing_compiler_is_told_with_the_next_step() -> None:
    with pytest.raises(TrainingError, match=r"train without it \(No working C"), compiling():
        raise InvalidCxxCompiler
    with pytest.raises(ValueError), compiling():
        raise ValueError
