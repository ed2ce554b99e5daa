"""Where ftso is started: in a folder that is gone, with a full stderr, too little memory, odd variables."""

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tests.forks import Trial, forks
from tests.processes import environment

SMALL = ["--epochs", "1", "--channels", "2", "--cells", "2", "--batch-size", "256", "--auxiliary", "0"]


def line(done: subprocess.CompletedProcess[str], status: int = 1) -> str:
    """The one line that a command has ended with."""
    assert done.returncode == status, done.stderr
    (said,) = done.stderr.splitlines()
    assert said.startswith("error: ") and "a fault in ftso" not in said
    return said


def test_a_folder_that_has_been_removed_is_told(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    for command in ("draw darts_v2", "cost darts_v2", "train darts_v2", "--version"):
        gone.mkdir()
        script = f"cd {gone} && rmdir {gone} && exec {sys.executable} -m ftso_cli {command}"
        done = subprocess.run(["sh", "-c", script], env=environment(), capture_output=True, text=True)
        if command == "--version":
            assert done.returncode == 0
        else:
            assert "the current folder has been removed" in line(done)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_remarks_that_can_not_be_written_stop_no_work(tmp_path: Path) -> None:
    for words, status in ((["train", "darts_v2", *SMALL, "-o", "run", "--json"], 0), (["cost", "x"], 1), (["--x"], 2)):
        done = forks().run(Trial(args=words, folder=str(tmp_path), stderr="/dev/full"))
        assert done.status == status
        if status == 0:
            assert json.loads(done.out)["test_accuracy"] > 0


@pytest.mark.parametrize(
    ("env", "says"),
    [
        ({"WORLD_SIZE": "x", "RANK": "0"}, "WORLD_SIZE is 'x', not a number from 1 to 100000"),
        ({"WORLD_SIZE": "2", "RANK": "2"}, "RANK is '2', not a number from 0 to 1"),
        ({"WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "-1"}, "LOCAL_RANK is '-1', not a number from 0 to 1"),
        ({"WORLD_SIZE": "9" * 5000, "RANK": "0"}, "WORLD_SIZE is '9999"),
    ],
)
def test_an_environment_that_torchrun_never_makes_is_refused(env: dict[str, str], says: str, tmp_path: Path) -> None:
    done = forks().run(Trial(args=["train", "darts_v2", "-o", "run"], folder=str(tmp_path), env=env))
    assert done.status == 1 and says in done.err and len(done.errors) == len(done.err.splitlines()) == 1


def test_too_little_memory_is_told_in_one_line(tmp_path: Path) -> None:
    def little() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (600_000_000, 600_000_000))

    command = [sys.executable, "-m", "ftso_cli", "train", "darts_v2", *SMALL, "-o", "run"]
    surroundings = {"cwd": tmp_path, "env": environment(), "preexec_fn": little}
    said = line(subprocess.run(command, capture_output=True, text=True, **surroundings))
    assert "there is not enough memory for this" in said and "--batch-size" in said
