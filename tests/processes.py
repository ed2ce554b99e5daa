"""Running `ftso` as a fresh process, or as two by `torchrun`: what it prints, and what it imports."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[1]
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]

_LISTING = """
import atexit, json, sys
listing = sys.argv.pop(1)
atexit.register(lambda: open(listing, "w").write(json.dumps(sorted(sys.modules))))
sys.argv[0] = "ftso"
from ftso_cli.cli.app import app
app()
"""


def run_ftso(
    *args: str | Path, cwd: Path | None = None, stdin: bytes = b"", env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Runs `ftso ARGS` in a fresh process and collects what it prints."""
    command = [sys.executable, "-m", "ftso_cli", *map(str, args)]
    return subprocess.run(command, cwd=cwd or ROOT, input=stdin, capture_output=True, env=environment(env), timeout=60)


def modules_imported_by(args: Sequence[str | Path], *, cwd: Path | None = None) -> set[str]:
    """The names of all modules that `ftso ARGS` has imported when it ends, in a fresh process that must succeed."""
    with TemporaryDirectory() as folder:
        listing = Path(folder) / "modules.json"
        command = [sys.executable, "-c", _LISTING, str(listing), *map(str, args)]
        done = subprocess.run(command, cwd=cwd or ROOT, capture_output=True, env=environment(), timeout=60)
        assert done.returncode == 0, done.stderr.decode()
        return set(json.loads(listing.read_text()))


def environment(extra: dict[str, str] | None = None) -> dict[str, str]:
    """The environment of a user: this checkout is found first, help is 80 columns wide, stdout is buffered."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    own = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return {**own, "PYTHONPATH": os.pathsep.join(paths), "COLUMNS": "80", **(extra or {})}


ONE_THREAD = environment({"OMP_NUM_THREADS": "1"})


def children(process: int) -> list[int]:
    """The processes that a process has started, by their number; on Linux only."""
    return [int(word) for word in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
