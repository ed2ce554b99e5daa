"""Inputs that follow the code, for two seconds; `python -m tests.fuzz.guided` goes on for longer."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import environment

pytest.importorskip("atheris")


def test_a_guided_attack_tries_inputs_and_says_how_many(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.fuzz.guided", "--only", "NATS string", "--seconds", "2"]
    done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["inputs"] > 0 and found["reached"][1] > 50
    assert [path.name for path in (tmp_path / "fuzz").iterdir()] == ["NATS-string"]
