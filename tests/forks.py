"""Commands of ftso in forks of a process that has imported everything: each starts in milliseconds, not in seconds.

A fork runs its command as a process of a user does. On the way it can get a signal, or lose its folder, after some time
or at one of its moments: where it opens a file to write, renames, removes, makes a folder or takes a lock.
"""

import atexit
import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path

from tests.processes import ROOT, environment

BROKEN = 77
"""The status of a guarded command that did what none may."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A command, the folder it runs in, and what happens to it; `vanish` instead of a signal removes a folder."""

    args: Sequence[str]
    folder: str
    code: str = ""
    """Python that runs instead of ftso."""
    env: dict[str, str] = field(default_factory=dict)
    """What differs from the environment of a user."""
    stdin: str = ""
    """Bytes, as latin-1."""
    stderr: str = ""
    """A file or device that it writes its remarks to."""
    signal: int = 0
    vanish: str = ""
    seconds: float | None = None
    """After which it happens, or at this moment, from 1 on:"""
    moment: int | None = None
    target: str = ""
    """A file, or the pattern of its path, where only replacing this one counts as a moment."""
    whom: str = ""
    """Who gets the signal at a moment: the one that has come to it, or its `parent`, its whole `group`, or its
    `sibling`, which is the one before it of those that run together.
    """
    times: int = 1
    """How often it gets it."""
    largest: int | None = None
    """Bytes that a file may have."""
    columns: int = 0
    """Of the terminal that it runs in, if it does: what it prints is `out`, and `stdin` is not given."""
    missing: Sequence[str] = ()
    """Packages that are not found."""
    guarded: bool = False
    """Whether the command ends where it writes outside of its folder or runs what is not its own."""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a command ended: its status, -9 where it was killed; what it said; its moments; whether children live on."""

    status: int
    out: str
    err: str
    seconds: float
    processor: float
    """Seconds on the processor, and bytes of memory that the fork has added."""
    bytes: int
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
            [sys.executable, "-m", "tests.forked"],
            cwd=ROOT,
            env=environment({"OMP_NUM_THREADS": "1"}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, trial: Trial) -> Ended:
        """Runs a command to its end."""
        return self.run_together(trial)[0]

    def run_together(self, *trials: Trial) -> list[Ended]:
        """Runs commands beside each other, each to its end."""
        assert self._process.stdin is not None and self._process.stdout is not None
        asked = [asdict(trial) | {"env": environment(trial.env)} for trial in trials]
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        return [Ended(**told) for told in json.loads(self._process.stdout.readline())]

    def close(self) -> None:
        """Ends it."""
        self._process.communicate()


@cache
def forks() -> Forks:
    """The process that forks of all tests of this process; it is started with the first."""
    found = Forks()
    atexit.register(found.close)
    return found


def run_ftso(
    *args: str | Path, cwd: Path | None = None, stdin: bytes = b"", env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Runs `ftso ARGS` in a fork and collects what it prints."""
    return _completed(
        Trial(args=[*map(str, args)], folder=str(cwd or ROOT), env=env or {}, stdin=stdin.decode("latin-1"))
    )


def signalled(
    args: Sequence[str | Path], path: Path, times: int, number: int = signal.SIGKILL, cwd: Path = ROOT
) -> subprocess.CompletedProcess[bytes]:
    """Runs `ftso ARGS`, which gets a signal when it has replaced `path` so many times and is to do it once more: in the
    same step whatever the machine does.
    """
    return _completed(
        Trial(args=[*map(str, args)], folder=str(cwd), signal=int(number), moment=times + 1, target=str(path))
    )


def in_a_terminal(*args: str | Path, columns: int, env: dict[str, str] | None = None) -> str:
    """What `ftso ARGS`, which must succeed, prints in a terminal of so many columns."""
    own = {"COLUMNS": str(columns), "TERM": "xterm-256color", **(env or {})}
    ended = forks().run(Trial(args=[*map(str, args)], folder=str(ROOT), env=own, columns=columns))
    assert ended.status == 0, ended.out
    return ended.out


def run_code(code: str, *args: str | Path) -> Ended:
    """Runs Python in a fork."""
    return forks().run(Trial(code=code, args=[*map(str, args)], folder=str(ROOT)))


def _completed(trial: Trial) -> subprocess.CompletedProcess[bytes]:
    ended = forks().run(trial)
    out, err = (text.encode(errors="surrogateescape") for text in (ended.out, ended.err))
    return subprocess.CompletedProcess([*trial.args], ended.status, out, err)
