"""`ftso` in a fresh interpreter, or in two by torchrun, for tests of just that; `tests.forks` is faster."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[1]
HANG = 600
"""Seconds after which a process hangs, on the busiest machine; no test tells fast from slow by it."""

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]

_LISTING = """
import atexit, json, sys
listing = sys.argv.pop(1)
atexit.register(lambda: open(listing, "w").write(json.dumps(sorted(sys.modules))))
sys.argv[0] = "ftso"
from ftso_cli.cli.app import app
app()
"""

_KILLING = """
import os, signal, sys
# Or torchrun may end the process that is left before it has said why.
signal.signal(signal.SIGTERM, signal.SIG_IGN)
path, left, rank = sys.argv[1], int(sys.argv[2]), int(os.environ["LOCAL_RANK"])
del sys.argv[1:3]
def known(rank):
    return os.path.normpath(os.path.join(path, f"../../process-{rank}"))
with open(known(rank), "w") as file:
    file.write(str(os.getpid()))
def watch(event, args):
    global left
    if event == "os.rename" and os.path.realpath(args[1]) == path:
        left -= 1
        if left < 0:
            os.kill(int(open(known(1 - rank)).read()), signal.SIGKILL)
sys.addaudithook(watch)
sys.argv[0] = "ftso"
from ftso_cli.__main__ import main
main()
"""


def killing_sibling(args: Sequence[str | Path], path: Path, times: int) -> list[str]:
    """The command line of `ftso ARGS` for torchrun, which kills the other process when it has replaced `path` so many
    times and is to do it once more: in the same step whatever the machine does. They note their numbers beside its
    folder.
    """
    return [sys.executable, "-c", _KILLING, os.path.realpath(path), str(times), *map(str, args)]


def run_fresh(
    *args: str | Path, cwd: Path | None = None, stdin: bytes = b"", env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Runs `ftso ARGS` in a fresh interpreter and collects what it prints."""
    command = [sys.executable, "-m", "ftso_cli", *map(str, args)]
    surroundings = environment(env)
    return subprocess.run(command, cwd=cwd or ROOT, input=stdin, capture_output=True, env=surroundings, timeout=HANG)


def modules_imported_by(args: Sequence[str | Path], *, cwd: Path | None = None) -> set[str]:
    """The names of all modules that `ftso ARGS` has imported when it ends, in a fresh process that must succeed."""
    with TemporaryDirectory() as folder:
        listing = Path(folder) / "modules.json"
        command = [sys.executable, "-c", _LISTING, str(listing), *map(str, args)]
        done = subprocess.run(command, cwd=cwd or ROOT, capture_output=True, env=environment(), timeout=HANG)
        assert done.returncode == 0, done.stderr.decode()
        return set(json.loads(listing.read_text()))


def environment(extra: dict[str, str] | None = None) -> dict[str, str]:
    """The environment of a user: this checkout is found first, help is 80 columns wide, stdout is buffered."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    own = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return {**own, "PYTHONPATH": os.pathsep.join(paths), "COLUMNS": "80", **(extra or {})}
