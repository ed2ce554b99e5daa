"""Where ftso is started: in a folder that is gone, with a full stderr, too little memory, odd variables."""

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.processes import ROOT, environment

SMALL = ["--epochs", "1", "--channels", "2", "--cells", "2", "--batch-size", "256", "--auxiliary", "0"]


def run(
    *args: str | Path,
    cwd: Path = ROOT,
    env: dict[str, str] | None = None,
    before: Callable[[], None] | None = None,
    stderr: int = subprocess.PIPE,
) -> subprocess.CompletedProcess[str]:
    """Runs `ftso ARGS` in a process of its own."""
    command = [sys.executable, "-m", "ftso_cli", *map(str, args)]
    surroundings = environment({"OMP_NUM_THREADS": "1", **(env or {})})
    return subprocess.run(
        command, cwd=cwd, env=surroundings, preexec_fn=before, stdout=subprocess.PIPE, stderr=stderr, text=True
    )


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
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        done = run("train", "darts_v2", *SMALL, "-o", tmp_path / "run", "--json", stderr=full)
        assert done.returncode == 0 and json.loads(done.stdout)["test_accuracy"] > 0
        assert [run("cost", "nothing", stderr=full).returncode, run("--nothing", stderr=full).returncode] == [1, 2]
    finally:
        os.close(full)


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
    assert says in line(run("train", "darts_v2", "-o", tmp_path / "run", env=env))


def test_too_little_memory_is_told_in_one_line(tmp_path: Path) -> None:
    def little() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (600_000_000, 600_000_000))

    said = line(run("train", "darts_v2", *SMALL, "-o", tmp_path / "run", before=little))
    assert "there is not enough memory for this" in said and "--batch-size" in said
