"""Stopping between two steps: Ctrl-C, or the SIGTERM of a job scheduler, waits until the step in hand is done."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

INTERRUPTED = 130
"""The exit status."""


def leave(number: int = signal.SIGINT, frame: FrameType | None = None) -> None:
    """Ends the process at once, with one line: a signal handler while there is nothing to be put in order."""
    os.write(2, b"error: interrupted\n")
    os._exit(INTERRUPTED)


class Interrupt:
    """Whether the user, or the system, has asked to stop."""

    def __init__(self) -> None:
        self._signals: set[int] = set()

    @property
    def asked(self) -> bool:
        """Whether a signal has come."""
        return bool(self._signals)

    def ask(self, number: int, frame: FrameType | None) -> None:
        """A signal handler. Who asks twice doesn't want to wait.

        Ctrl-C reaches all processes of a terminal as SIGINT, and `ftso sweep` hands it on to its commands as SIGTERM:
        that is asked once.
        """
        if number in self._signals:
            raise KeyboardInterrupt
        self._signals.add(number)


@contextmanager
def asked_to_stop() -> Iterator[Interrupt]:
    """Inside, the first SIGINT and the first SIGTERM only set `asked`; one that nobody has heeded raises at the end.

    Signals reach the main thread alone.
    """
    interrupt = Interrupt()
    if threading.current_thread() is not threading.main_thread():
        yield interrupt
        return
    handlers = {number: signal.signal(number, interrupt.ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interrupt
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    if interrupt.asked:
        raise KeyboardInterrupt
