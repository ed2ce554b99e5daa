"""Audit hooks of the commands that run in forks: they count moments, and see what no command may do."""

import ctypes
import os
import shutil
import sys
import time
from fnmatch import fnmatch
from mmap import mmap
from pathlib import Path
from typing import Any

from tests.forks import BROKEN, Trial
from tests.fuzz.oracle import CHANGES, RUNS, WRITING

MOMENTS = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "os.truncate", "fcntl.flock"}

PROGRAMS = ("graphviz-pure", "dot")
"""What ftso may start; `sweep` starts ftso, too."""


class Moments:
    """Counts the moments of a command, and lets happen what is to happen at one of them."""

    def __init__(self, trial: Trial, count: mmap, sibling: int) -> None:
        self._trial, self._count, self._sibling, self.busy = trial, count, sibling, False
        self._target = os.path.realpath(trial.target) if trial.target else ""
        self._moments = ctypes.c_uint64.from_buffer(count)

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        """The audit hook."""
        if self.busy or not self._is_moment(event, args):
            return
        self._moments.value += 1
        if self._moments.value == self._trial.moment:
            self.busy = True
            if self._trial.vanish:
                shutil.rmtree(self._trial.vanish)
            else:
                for again in range(self._trial.times):
                    # Signals that wait together are one.
                    time.sleep(0.2 if again else 0)
                    self._send()
            self.busy = False

    def _send(self) -> None:
        if self._trial.whom == "group":
            os.killpg(0, self._trial.signal)
        else:
            others = {"parent": os.getppid(), "sibling": self._sibling}
            os.kill(others.get(self._trial.whom, os.getpid()), self._trial.signal)

    def _is_moment(self, event: str, args: tuple[Any, ...]) -> bool:
        if self._target:
            return event == "os.rename" and fnmatch(os.path.realpath(args[1]), self._target)
        if event == "fcntl.flock":
            return True
        if event == "open" and not (isinstance(args[2], int) and args[2] & WRITING):
            return False
        if event != "open" and event not in MOMENTS:
            return False
        if not isinstance(args[0], str | bytes | Path):
            return False
        return os.path.abspath(os.fsdecode(args[0])).startswith(self._trial.folder)


class Guard:
    """Ends a command with status `BROKEN` where it writes or deletes outside of its folder, unpickles a class, or
    starts a program or a connection that is not its own.
    """

    def __init__(self, trial: Trial) -> None:
        self._folder, self._sweeps = os.path.realpath(trial.folder) + os.sep, trial.args[:1] == ["sweep"]
        self.busy = False

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        """The audit hook."""
        if self.busy or (event == "subprocess.Popen" and self._may_start(args)):
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
        return name in PROGRAMS or (self._sweeps and os.fsdecode(args[0]) == sys.executable)

    def _check(self, event: str, path: object) -> None:
        if isinstance(path, str | bytes | os.PathLike):
            place = os.path.realpath(os.fsdecode(path))
            if not (place + os.sep).startswith(self._folder) and place != os.devnull:
                self._end(event, (place,))

    def _end(self, event: str, args: tuple[Any, ...]) -> None:
        self.busy = True
        os.write(2, f"BROKEN: {event} {args!r:.300}\n".encode(errors="replace"))
        os._exit(BROKEN)
