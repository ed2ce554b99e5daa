"""Jobs of one search side by side, one thread each: faster on a CPU than all threads on one of them."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait

import torch


class StoppedError(Exception):
    """Another job failed, or the user stopped the search: what a job raises once it sees that."""


def run_all(jobs: Sequence[Callable[[], object]], workers: int, stop: threading.Event) -> None:
    """Runs the jobs, so many at a time.

    The first error of any, or Ctrl-C, sets `stop`, which jobs look at, drops those that have not begun, and is raised.
    """
    threads = torch.get_num_threads()
    with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        try:
            finished, _ = wait([pool.submit(job) for job in jobs], return_when=FIRST_EXCEPTION)
            for one in finished:
                one.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)  # first, or a thread that stops begins the next
            stop.set()
            raise
        finally:
            pool.shutdown()
            torch.set_num_threads(threads)
