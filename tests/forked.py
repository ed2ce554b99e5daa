"""The process of `tests.forks`: it imports everything, and forks for each line that stdin asks for."""

import fcntl
import gc
import json
import os
import pkgutil
import pty
import resource
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from functools import cache
from importlib import import_module
from itertools import pairwise
from mmap import mmap
from pathlib import Path
from types import FrameType
from typing import Any, Self

import optuna
from PIL import Image

import ftso_cli
from ftso_cli.__main__ import main
from ftso_cli.cli import console
from ftso_cli.interrupt import leave
from ftso_cli.programs import ftso_command
from ftso_cli.report.plots import renderer
from tests.forks import Ended, Trial
from tests.processes import HANG
from tests.watches import Guard, Moments

OTHERS = (
    "graphviz",
    "jinja2",
    "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_svg",
    "matplotlib.figure",
    "sklearn.datasets",
    "torch._dynamo",
    "torchvision",
)
"""Modules that commands import on the way, in addition to those of ftso."""


def serve() -> None:
    """Runs the trials that stdin asks for."""
    for module in pkgutil.walk_packages(ftso_cli.__path__, "ftso_cli."):
        # Some need a package that is not here.
        with suppress(ImportError):
            import_module(module.name)
    for name in OTHERS:
        import_module(name)
    # Both import hundreds of modules when they are first used.
    Image.init()
    optuna.storages.RDBStorage("sqlite://").remove_session()
    # Forks share what is not touched.
    gc.collect()
    gc.freeze()
    for line in sys.stdin:
        children: list[Child] = []
        for asked in json.loads(line):
            children.append(Child(Trial(**asked), children[-1].pid if children else 0))
        print(json.dumps([asdict(child.ended()) for child in children]), flush=True)
    # All that was imported takes its time to be taken down.
    os._exit(0)


class Child:
    """A trial in a fork, which runs from here on."""

    def __init__(self, trial: Trial, sibling: int) -> None:
        self._trial, self._sibling, self._count, self._before = trial, sibling, mmap(-1, 8), _resident()
        self._charts = renderer._process(os.getpid()) if trial.guarded else None
        self._started = time.monotonic()
        self._streams = Terminal(trial.columns) if trial.columns else Files(trial.stdin)
        # Held back until the child can take it as ftso does.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        self.pid = os.fork()
        if self.pid == 0:
            self._run()

    def _run(self) -> None:
        os.setsid()
        if (charts := self._charts) is not None:
            # It takes a second to start; a command that is not guarded has its own.
            renderer._process = cache(lambda parent: charts)
        run(self._trial, self._streams.of_child, self._count, self._sibling)

    def ended(self) -> Ended:
        """Waits for its end."""
        with self._streams as streams:
            with ended_in_time(self.pid, self._trial):
                streams.follow()
                _, status, used = os.wait4(self.pid, 0)
            out, err = streams.said()
        code = os.waitstatus_to_exitcode(status)
        if self._charts is not None and (self._charts.poll() is not None or code not in (0, 1, 2)):
            # Who has ended in the middle of a chart leaves the answer to the next.
            self._charts.kill()
            self._charts.wait()
            renderer._process.cache_clear()
        return Ended(
            status=code,
            out=out,
            err=err,
            seconds=time.monotonic() - self._started,
            processor=round(used.ru_utime + used.ru_stime, 3),
            bytes=max(0, used.ru_maxrss * 1024 - self._before),
            moments=int.from_bytes(self._count[:8], "little"),
            orphans=_lives(self.pid),
        )


class Files:
    """The streams of a child, in files."""

    def __init__(self, given: str) -> None:
        self._files = [tempfile.TemporaryFile() for _ in range(3)]  # noqa: SIM115
        self._files[0].write(given.encode("latin-1"))
        self._files[0].seek(0)
        self.of_child = tuple(file.fileno() for file in self._files)

    def __enter__(self) -> Self:
        return self

    def follow(self) -> None:
        """Files need nobody who reads along."""

    def said(self) -> tuple[str, str]:
        """What the child has written to stdout and stderr."""
        for file in self._files:
            file.seek(0)
        out, err = (file.read(10_000_000).decode(errors="surrogateescape") for file in self._files[1:])
        return out, err

    def __exit__(self, *error: object) -> None:
        for file in self._files:
            file.close()


class Terminal:
    """The streams of a child, which are a terminal."""

    def __init__(self, columns: int) -> None:
        self._ours, self._theirs = pty.openpty()
        fcntl.ioctl(self._theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        self.of_child = (self._theirs,) * 3
        self._printed = bytearray()

    def __enter__(self) -> Self:
        return self

    def follow(self) -> None:
        """Reads until the terminal is gone with its last program."""
        os.close(self._theirs)
        with suppress(OSError):
            while part := os.read(self._ours, 65536):
                self._printed += part

    def said(self) -> tuple[str, str]:
        """What the child has printed, and nothing apart from that."""
        return self._printed.decode(errors="surrogateescape"), ""

    def __exit__(self, *error: object) -> None:
        os.close(self._ours)


@contextmanager
def ended_in_time(child: int, trial: Trial) -> Iterator[None]:
    """Sends the child its signal when the time has come; one that hangs is killed with what it runs."""
    due = [] if trial.seconds is None else [trial.signal]

    def late(number: int, frame: FrameType | None) -> None:
        with suppress(ProcessLookupError):
            os.kill(child, due.pop()) if due else os.killpg(child, signal.SIGKILL)
        signal.setitimer(signal.ITIMER_REAL, HANG)

    signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, HANG if trial.seconds is None else trial.seconds + 1e-6)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _resident() -> int:
    """Bytes of this process in memory that a fork has from its start; pages of files are not among them."""
    with suppress(OSError, ValueError):
        status = Path("/proc/self/status").read_text().split()
        return 1024 * int(status[status.index("RssAnon:") + 1])
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


class Stage(subprocess.Popen[bytes]):
    """A program that a command starts; where it is ftso, as a study starts its stages, in a fork of the command."""

    def _execute_child(
        self, args: Any, executable: Any, preexec: Any, close: bool, kept: Sequence[int], *others: Any
    ) -> None:
        _, env, _, _, _, of_stdin, in_pipe, out_pipe, of_stdout, err_pipe, of_stderr, *_ = others
        start = ftso_command()
        if not isinstance(args, list) or args[: len(start)] != start:
            return super()._execute_child(args, executable, preexec, close, kept, *others)
        self.pid = os.fork()
        if self.pid == 0:
            for place, file in enumerate((of_stdin, of_stdout, of_stderr)):
                os.dup2(file, place)
            # It holds no lock but that of its stage.
            for first, last in pairwise([2, *sorted(kept), os.sysconf("SC_OPEN_MAX")]):
                os.closerange(first + 1, last)
            run(Trial(args=args[len(start) :], folder=os.getcwd(), env=env), (0, 1, 2), mmap(-1, 8))
        self._child_created = True
        return self._close_pipe_fds(of_stdin, in_pipe, out_pipe, of_stdout, err_pipe, of_stderr)


def run(trial: Trial, streams: Sequence[int], count: mmap, sibling: int = 0) -> None:
    """The child: the command with its own streams."""
    for number in (signal.SIGALRM, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, leave)
    os.chdir(trial.folder)
    os.environ.clear()
    os.environ.update(trial.env)
    tempfile.tempdir = None
    sys.modules.update(dict.fromkeys(trial.missing))
    for place, file in enumerate(streams):
        os.dup2(file, place)
    if trial.stderr:
        os.dup2(os.open(trial.stderr, os.O_WRONLY), 2)
    # Those of this process know what kind of file they once were, and so does rich.
    sys.stdin, sys.stdout = os.fdopen(0, closefd=False), os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", 1, errors="backslashreplace", closefd=False)
    sys.__stdin__, sys.__stdout__, sys.__stderr__ = sys.stdin, sys.stdout, sys.stderr
    console.err.__init__(stderr=True, soft_wrap=True, highlight=False, emoji=False)
    if trial.largest is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (trial.largest, trial.largest))
    # Python would write what it compiles when the command imports a module.
    sys.dont_write_bytecode = True
    hook = Guard(trial) if trial.guarded else Moments(trial, count, sibling)
    sys.addaudithook(hook)
    # Moments of stages would be among those of the study that are counted.
    if not trial.guarded and (trial.target or not trial.moment):
        subprocess.Popen = Stage
    sys.argv[1:] = trial.args
    status: Any = 1
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        if trial.code:
            exec(compile(trial.code, "code", "exec"), {"__name__": "__main__"})
        else:
            main()
        status = 0
    except SystemExit as end:
        status = end.code or 0
    except BaseException:
        traceback.print_exc()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        # As Python does.
        status = 120
    # What follows is no part of the command: `make coverage` has its lines saved here.
    hook.busy = True
    os._exit(status if isinstance(status, int) else 1)


if __name__ == "__main__":
    serve()
