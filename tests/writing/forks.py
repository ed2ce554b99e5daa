"""Commands of ftso in forks of a process that has imported everything: each starts in milliseconds, not in seconds.

A fork runs its command as a process of a user does. On the way it can get a signal, or lose its folder, after some time
or at one of its moments: where it opens a file to write, renames, removes, makes a folder or takes a lock.
"""

import ctypes
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from mmap import mmap
from pathlib import Path
from typing import Any

from ftso_cli.__main__ import main
from ftso_cli.interrupt import leave
from tests.processes import ROOT, environment

PATIENCE = 120
"""Seconds after which a command hangs."""

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
MOMENTS = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "os.truncate", "fcntl.flock"}
EXTRAS = (
    "ftso_cli.training.loop",
    "ftso_cli.training.use.export",
    "ftso_cli.search.phases",
    "ftso_cli.search.joint",
    "ftso_cli.search.race.race",
    "ftso_cli.search.operators.capacity",
    "ftso_cli.search.nats_methods",
    "ftso_cli.search.recording.recorder",
    "ftso_cli.report.page",
    "ftso_cli.studies.figures",
    "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_svg",
    "optuna",
    "sklearn.datasets",
    "torch._dynamo",
    "torchvision",
    "vl_convert",
)
"""What commands import on the way."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A command, the folder it runs in, and what happens to it; `vanish` instead of a signal removes a folder."""

    args: Sequence[str]
    folder: str
    cache: str = ""
    signal: int = 0
    vanish: str = ""
    seconds: float | None = None
    moment: int | None = None
    largest: int | None = None
    """Bytes that a file may have."""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a command ended: its status, -9 where it was killed; what it said; its moments; whether children live on."""

    status: int
    out: str
    err: str
    seconds: float
    moments: int
    orphans: bool

    @property
    def errors(self) -> list[str]:
        """The lines that tell of an error."""
        return [line for line in self.err.splitlines() if line.startswith("error: ")]


class Forks:
    """The process that forks."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.writing.forks"],
            cwd=ROOT,
            env=environment({"OMP_NUM_THREADS": "1"}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, trial: Trial) -> Ended:
        """Runs a command to its end."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(asdict(trial)) + "\n")
        self._process.stdin.flush()
        return Ended(**json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        """Ends it."""
        self._process.communicate()


def serve() -> None:
    """Runs the trials that stdin asks for."""
    from ftso_cli.cli.app import COMMANDS

    for name in (*EXTRAS, *(entry.place.split(":")[0] for entry in COMMANDS.values())):
        import_module(name)
    for line in sys.stdin:
        print(json.dumps(asdict(forked(Trial(**json.loads(line))))), flush=True)
    # All that was imported takes its time to be taken down.
    os._exit(0)


def forked(trial: Trial) -> Ended:
    """Runs a trial in a fork."""
    count = mmap(-1, 8)
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        started = time.monotonic()
        # Held back until the child can take it as ftso does.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        child = os.fork()
        if child == 0:
            run(trial, out.fileno(), err.fileno(), count)
        status = waited(child, started, trial)
        seconds = time.monotonic() - started
        said = []
        for file in (out, err):
            file.seek(0)
            said.append(file.read().decode(errors="replace"))
    return Ended(
        status=os.waitstatus_to_exitcode(status),
        out=said[0],
        err=said[1],
        seconds=seconds,
        moments=int.from_bytes(count[:8], "little"),
        orphans=_lives(child),
    )


def waited(child: int, started: float, trial: Trial) -> int:
    """Waits for the child, and sends its signal when the time has come; one that hangs is killed."""
    due = [] if trial.seconds is None else [(trial.seconds, trial.signal)]
    for seconds, number in [*due, (PATIENCE, signal.SIGKILL)]:
        while time.monotonic() - started < seconds:
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                return status
            time.sleep(0.001)
        os.kill(child, number)
    return os.waitpid(child, 0)[1]


def _lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def run(trial: Trial, out: int, err: int, count: mmap) -> None:
    """The child: the command with its streams in files."""
    os.setsid()
    os.chdir(trial.folder)
    if trial.cache:
        os.environ["FTSO_CACHE"] = trial.cache
    for own, other in ((os.open(os.devnull, os.O_RDONLY), 0), (out, 1), (err, 2)):
        os.dup2(own, other)
    signal.signal(signal.SIGINT, leave)
    if trial.largest is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (trial.largest, trial.largest))
    sys.addaudithook(_Watch(trial, count))
    sys.argv[1:] = trial.args
    status: Any = 1
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        main()
    except SystemExit as end:
        status = end.code or 0
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


class _Watch:
    """An audit hook that counts the moments of a command, and lets happen what is to happen at one of them."""

    def __init__(self, trial: Trial, count: mmap) -> None:
        self._trial, self._count, self._busy = trial, count, False
        self._moments = ctypes.c_uint64.from_buffer(count)

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        if self._busy or not self._is_moment(event, args):
            return
        self._moments.value += 1
        if self._moments.value == self._trial.moment:
            self._busy = True
            if self._trial.vanish:
                shutil.rmtree(self._trial.vanish)
            else:
                os.kill(os.getpid(), self._trial.signal)
            self._busy = False

    def _is_moment(self, event: str, args: tuple[Any, ...]) -> bool:
        if event == "fcntl.flock":
            return True
        if event == "open" and not (isinstance(args[2], int) and args[2] & WRITES):
            return False
        if event != "open" and event not in MOMENTS:
            return False
        if not isinstance(args[0], str | bytes | Path):
            return False
        return os.path.abspath(os.fsdecode(args[0])).startswith(self._trial.folder)


if __name__ == "__main__":
    serve()
