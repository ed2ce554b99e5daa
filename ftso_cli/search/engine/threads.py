"""Jobs of one search side by side, one thread each: faster on a CPU than all threads on one of them."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait

import torch

from ftso_cli.interrupt import asked_to_stop

POLL = 0.1
"""Seconds between looks for a signal."""


class StoppedError(Exception):
    """Another job failed, or the user stopped the search: what a job raises once it sees that."""


def run_all(jobs: Sequence[Callable[[], object]], workers: int, stop: threading.Event) -> None:
    """Runs the jobs, so many at a time.

    The first error of any, or Ctrl-C, sets `stop`, which jobs look at, drops those that have not begun, and is raised
    once those in hand have ended: the interpreter must not end while a thread computes.
    """
    threads = torch.get_num_threads()
    pool = ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,))
    with asked_to_stop(patient=True) as interrupt:
        try:
            left = {pool.submit(job) for job in jobs}
            while left:
                finished, left = wait(left, POLL, return_when=FIRST_EXCEPTION)
                for one in finished:
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
            torch.set_num_threads(threads)
