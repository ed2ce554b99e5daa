"""Stopping between two steps: Ctrl-C, or the SIGTERM of a job scheduler, waits until the step in hand is done."""

import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

INTERRUPTED = 130
"""The exit status."""

POLL = 0.1
"""Seconds between looks for a signal, while threads work."""

SHOW_CURSOR = b"\x1b[?25h"
"""A terminal's cursor, which progress bars hide."""


def leave(number: int = signal.SIGINT, frame: FrameType | None = None) -> None:
    """Ends the process at once, with one line: a signal handler while there is nothing to be put in order."""
    os.write(2, (SHOW_CURSOR if os.isatty(2) else b"") + b"error: interrupted\n")
    os._exit(INTERRUPTED)


def interrupt_once(number: int, frame: FrameType | None) -> None:
    """Raise `KeyboardInterrupt`: the program's handler of Ctrl-C. A second one, while that is handled, leaves."""
    signal.signal(signal.SIGINT, leave)
    raise KeyboardInterrupt


class Interrupt:
    """A request of the user, or the system, to stop.

    Who asks twice doesn't want to wait: that raises `KeyboardInterrupt`. A `patient` one belongs to work in threads,
    which must end their steps before the interpreter may end; it takes no notice of the second time, and leaves at the
    third where `may_leave`.
    """

    def __init__(self, *, patient: bool = False, may_leave: bool = False) -> None:
        self._times: Counter[int] = Counter()
        self._patient, self._may_leave = patient, may_leave

    @property
    def asked(self) -> bool:
        """True where a signal has come."""
        return bool(self._times)

    def ask(self, number: int, frame: FrameType | None) -> None:
        """A signal handler.

        Ctrl-C reaches all processes of a terminal as SIGINT, and `ftso sweep` hands it on to its commands as SIGTERM:
        that is asked once.
        """
        self._times[number] += 1
        if not self._patient and self._times[number] > 1:
            raise KeyboardInterrupt
        if self._may_leave and self._times[number] > 2:
            leave()


@contextmanager
def deferred_interrupt(*, patient: bool = False) -> Iterator[Interrupt]:
    """Inside, the first SIGINT, SIGTERM or SIGHUP only sets `asked`; one that nobody has heeded raises at the end.

    `patient` is for work in threads, see `Interrupt`. Signals reach the main thread alone. A SIGHUP that is ignored, as
    under nohup, stays so.
    """
    if threading.current_thread() is not threading.main_thread():
        yield Interrupt()
        return
    of_program = signal.getsignal(signal.SIGINT) is interrupt_once
    interrupt = Interrupt(patient=patient, may_leave=of_program)
    handlers = {number: signal.signal(number, interrupt.ask) for number in _stopping()}
    try:
        yield interrupt
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if interrupt.asked and of_program:
            signal.signal(signal.SIGINT, leave)
    if interrupt.asked:
        raise KeyboardInterrupt


def run_jobs(
    jobs: Sequence[Callable[[], object]],
    workers: int,
    stop: threading.Event,
    *,
    first: Callable[[], object] = lambda: None,
) -> None:
    """Run jobs in `workers` threads, each of which calls `first` before its first job.

    The first error of any, or Ctrl-C, sets `stop`, which jobs look at, drops those that have not begun, and is raised
    once those in hand have ended: the interpreter must not end while a thread computes.
    """
    # Imported here because this module is the first that a command imports.
    from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait

    pool = ThreadPoolExecutor(workers, initializer=first)
    with deferred_interrupt(patient=True) as interrupt:
        try:
            left = {pool.submit(job) for job in jobs}
            while left:
                ended, left = wait(left, POLL, return_when=FIRST_EXCEPTION)
                for one in ended:
                    one.result()
                if interrupt.asked:
                    raise KeyboardInterrupt
        except BaseException:
            # First, or a thread that stops begins the next.
            pool.shutdown(wait=False, cancel_futures=True)
            stop.set()
            raise
        finally:
            pool.shutdown()


def _stopping() -> list[int]:
    """The signals that ask a process to end."""
    both: list[int] = [signal.SIGINT, signal.SIGTERM]
    if sys.platform == "win32" or signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        return both
    return [*both, signal.SIGHUP]
