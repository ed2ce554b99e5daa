"""Jobs side by side: all are run, and the first error or Ctrl-C ends the others."""

import os
import signal
import threading
from collections.abc import Callable

import pytest
import torch

from ftso_cli.search.engine.threads import StoppedError, run_all
from tests.processes import HANG

WORKERS = 2


def ctrl_c() -> None:
    """Sends SIGINT as a terminal does, to the process; a thread that sends one to itself wakes nobody."""
    os.kill(os.getpid(), signal.SIGINT)


def ctrl_c_twice() -> None:
    """Sends a second one while the first is heeded."""
    ctrl_c()
    ctrl_c()


def test_all_jobs_are_run_with_one_thread_each_and_nothing_stops() -> None:
    before, seen, stop = torch.get_num_threads(), [], threading.Event()
    run_all([lambda: seen.append(torch.get_num_threads())] * 5, WORKERS, stop)
    assert seen == [1] * 5 and torch.get_num_threads() == before and not stop.is_set()


@pytest.mark.parametrize("before", [signal.default_int_handler, signal.SIG_IGN], ids=["", "in the background"])
@pytest.mark.parametrize(
    ("fail", "error"),
    [(lambda: 1 // 0, ZeroDivisionError), (ctrl_c, KeyboardInterrupt), (ctrl_c_twice, KeyboardInterrupt)],
    ids=["error", "Ctrl-C", "Ctrl-C twice"],
)
def test_what_ends_a_job_ends_the_others_and_drops_those_that_wait(
    fail: Callable[[], object], error: type[BaseException], before: signal.Handlers
) -> None:
    begun, stop = [], threading.Event()

    def job(place: int) -> None:
        begun.append(place)
        if place == 1:
            fail()
        if not stop.wait(HANG):
            raise AssertionError("nobody has set stop")
        raise StoppedError

    # A shell starts what it runs in the background with SIGINT ignored.
    own = signal.signal(signal.SIGINT, before)
    try:
        with pytest.raises(error):
            run_all([lambda place=place: job(place) for place in range(20)], WORKERS, stop)
    finally:
        signal.signal(signal.SIGINT, own)
    # The worker whose job has failed may have begun another one before that was noticed; both then see `stop`.
    assert stop.is_set() and len(begun) <= WORKERS + 1
