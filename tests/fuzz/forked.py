"""A command of ftso in a fork of a process that has imported everything: a process of its own, watched.

An audit hook ends it with status `BROKEN` where it writes or deletes outside of its folder, unpickles a class or starts
a program or a connection that is not its own. Processor time and memory are those that the fork adds.
"""

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from ftso_cli.report.plots import renderer
from tests.fuzz.oracle import CHANGES, RUNS, WRITING
from tests.processes import ROOT, environment

BROKEN = 77
"""The status of a command that did what none may."""

HANG = 120
"""Seconds after which a command hangs."""

PROGRAMS = ("graphviz-pure", "dot")
"""What ftso may start; `sweep` starts ftso, too."""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a command ended: its status, below 0 for a signal; what it said; the seconds and bytes that it took."""

    status: int
    out: str
    err: str
    seconds: float
    bytes: int


class Server:
    """The process that forks."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.fuzz.forked"],
            cwd=ROOT,
            env=environment({"OMP_NUM_THREADS": "1"}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, args: Sequence[str], folder: Path) -> Ended:
        """Runs `ftso ARGS` in a folder to its end."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps([list(args), str(folder)]) + "\n")
        self._process.stdin.flush()
        return Ended(**json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        """Ends it."""
        self._process.communicate()


def serve() -> None:
    """Runs the commands that stdin asks for."""
    from ftso_cli.cli.app import COMMANDS
    from tests.writing.forks import EXTRAS

    for name in (*EXTRAS, *(entry.place.split(":")[0] for entry in COMMANDS.values())):
        import_module(name)
    for line in sys.stdin:
        args, folder = json.loads(line)
        print(json.dumps(asdict(forked(args, folder))), flush=True)
    os._exit(0)


def forked(args: Sequence[str], folder: str) -> Ended:
    """Runs a command in a fork."""
    before = resident()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = os.fork()
        if child == 0:
            run(args, folder, out.fileno(), err.fileno())
        status, used = waited(child)
        said = []
        for file in (out, err):
            file.seek(0)
            said.append(file.read(1_000_000).decode(errors="replace"))
    return Ended(
        status=os.waitstatus_to_exitcode(status),
        out=said[0],
        err=said[1],
        seconds=round(used.ru_utime + used.ru_stime, 3),
        bytes=max(0, used.ru_maxrss * 1024 - before),
    )


def waited(child: int) -> tuple[int, resource.struct_rusage]:
    """Waits for the child, and kills it with all that it has started where it hangs."""
    until = time.monotonic() + HANG
    while True:
        done, status, used = os.wait4(child, os.WNOHANG)
        if done:
            return status, used
        if time.monotonic() > until:
            os.killpg(child, signal.SIGKILL)
        time.sleep(0.002)


def resident() -> int:
    """Bytes of this process in memory that a fork has from its start; pages of files are not among them."""
    status = Path("/proc/self/status").read_text().split()
    return 1024 * int(status[status.index("RssAnon:") + 1])


def run(args: Sequence[str], folder: str, out: int, err: int) -> None:
    """The child: the command with its streams in files, and nothing of the user's own."""
    from ftso_cli.__main__ import main

    os.setsid()
    os.chdir(folder)
    own = {"HOME": folder, "TMPDIR": folder, "FTSO_CACHE": f"{folder}/cache", "MPLCONFIGDIR": folder}
    os.environ.update(own)
    tempfile.tempdir = folder
    for ours, theirs in ((os.open(os.devnull, os.O_RDONLY), 0), (out, 1), (err, 2)):
        os.dup2(ours, theirs)
    sys.addaudithook(_Watch(folder, args[:1] == ["sweep"]))
    sys.argv[1:] = args
    status: Any = 1
    try:
        main()
        status = 0
    except SystemExit as end:
        status = end.code or 0
    except BaseException:
        import traceback

        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status if isinstance(status, int) else 1)


class _Watch:
    """The audit hook."""

    def __init__(self, folder: str, sweeps: bool) -> None:
        self._folder, self._sweeps = os.path.realpath(folder) + os.sep, sweeps

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        if event == "subprocess.Popen" and self._may_start(args):
            return
        if event in RUNS:
            self._end(event, args)
        elif event == "open" and isinstance(args[2], int) and args[2] & WRITING:
            self._check(event, args[0])
        elif event in CHANGES:
            for path in args:
                self._check(event, path)

    def _may_start(self, args: tuple[Any, ...]) -> bool:
        name = os.path.basename(os.fsdecode(args[0]))
        if list(args[1]) == [sys.executable, "-P", str(renderer.SCRIPT)]:
            return True
        return name in PROGRAMS or (self._sweeps and os.fsdecode(args[0]) == sys.executable)

    def _check(self, event: str, path: object) -> None:
        if isinstance(path, str | bytes | os.PathLike):
            place = os.path.realpath(os.fsdecode(path))
            if not (place + os.sep).startswith(self._folder) and place != os.devnull:
                self._end(event, (place,))

    def _end(self, event: str, args: tuple[Any, ...]) -> None:
        os.write(2, f"BROKEN: {event} {args!r:.300}\n".encode(errors="replace"))
        os._exit(BROKEN)


if __name__ == "__main__":
    serve()
