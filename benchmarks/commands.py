"""Commands of ftso in processes of their own, for benchmarks."""

import json
import subprocess
from typing import Any

from ftso_cli.programs import ftso_command, safe_environment


def ftso(*arguments: str) -> dict[str, Any]:
    """Return what a command says with --json, on one thread; raises `RuntimeError`, with its last words."""
    environment = {**safe_environment(), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(ftso_command(*arguments, "--json"), capture_output=True, text=True, env=environment)
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)}: {done.stderr[-500:]}")
    facts: dict[str, Any] = json.loads(done.stdout)
    return facts
