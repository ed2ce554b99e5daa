"""What an input must not do, whatever it holds: raise, hang, fill the memory, write elsewhere, or run anything.

An audit hook of the interpreter sees every file that is opened for writing, every process that is started and every
pickle that names a class, in C code too. Time is that of the processor, so that a busy machine fails no test.
"""

import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any, Literal

from ftso_cli.errors import FtsoError

SECONDS = 2.0
"""Processor time of one input."""

BYTES = 500_000_000
"""Memory that inputs may add to the process, at its peak."""

Outcome = Literal["refused", "valid"]

RUNS = frozenset(
    {
        "os.exec",
        "os.fork",
        "os.forkpty",
        "os.posix_spawn",
        "os.spawn",
        "os.startfile",
        "os.system",
        "pickle.find_class",
        "pty.spawn",
        "socket.bind",
        "socket.connect",
        "subprocess.Popen",
        "urllib.Request",
        "webbrowser.open",
    }
)
"""What no file may make ftso do."""

CHANGES = frozenset(
    f"os.{name}" for name in ("chmod", "chown", "link", "mkdir", "remove", "rename", "rmdir", "symlink", "truncate")
)
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class BrokenRuleError(BaseException):
    """An input did what none may. No `Exception`, so that nothing on the way catches it."""


class Watch:
    """Notes what happens outside the `allowed` folders while it is on; None while nothing is watched."""

    allowed: tuple[str, ...] | None = None
    found: str = ""
    hooked: bool = False

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        """The audit hook."""
        if self.allowed is None or self.found:
            return
        if (
            event in RUNS
            or (event == "exec" and getattr(args[0], "co_filename", "") == "<string>")
            or (event == "ctypes.dlopen" and os.sep in str(args[0]))
        ):
            self.found = f"{event} {args!r:.200}"
        elif event == "open" and isinstance(args[2], int) and args[2] & WRITING:
            self._check(event, args[0])
        elif event in CHANGES:
            for path in args:
                self._check(event, path)

    def _check(self, event: str, path: object) -> None:
        # Other arguments are modes, and descriptors of files that were seen when they were opened.
        if isinstance(path, str | bytes | os.PathLike):
            place = os.path.realpath(os.fsdecode(path))
            if not place.startswith(self.allowed or ()) and place != os.devnull:
                self.found = f"{event} {place}"


WATCH = Watch()


@contextmanager
def watched(*folders: Path) -> Iterator[None]:
    """Inside, writing anywhere but in `folders` and running anything is noted, and raised at the end."""
    if not WATCH.hooked:
        sys.addaudithook(WATCH)
        WATCH.hooked = True
    # Python would write what it compiles when a module is imported inside.
    sys.dont_write_bytecode = True
    WATCH.found, WATCH.allowed = "", tuple(os.path.realpath(folder) + os.sep for folder in folders)
    try:
        yield
    finally:
        WATCH.allowed = None
    if WATCH.found:
        raise BrokenRuleError(WATCH.found)


@contextmanager
def in_time(seconds: float = SECONDS) -> Iterator[None]:
    """Raises `BrokenRuleError` from inside what takes longer, on the processor."""

    def late(number: int, frame: FrameType | None) -> None:
        raise BrokenRuleError(f"takes longer than {seconds} s")

    before = signal.signal(signal.SIGPROF, late)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def peak() -> int:
    """The most bytes that this process has had in memory; not whoever has started it, as `ru_maxrss` may count."""
    with suppress(OSError, ValueError):
        status = Path("/proc/self/status").read_text().split()
        return 1024 * int(status[status.index("VmHWM:") + 1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def judged(read: Callable[[], object], folders: Sequence[Path], seconds: float = SECONDS) -> Outcome:
    """How `read` took its input; raises whatever it must not, and `BrokenRuleError` for the rest."""
    before = peak()
    outcome: Outcome = "valid"
    with in_time(seconds), watched(*folders):
        try:
            read()
        except FtsoError as error:
            outcome = "refused"
            text = str(error)
    if outcome == "refused" and ("\n" in text or len(text) > 1000):
        raise BrokenRuleError(f"the message is no line: {text[:2000]!r}")
    if peak() - before > BYTES:
        raise BrokenRuleError(f"takes {(peak() - before) / 1e6:.0f} MB")
    return outcome
