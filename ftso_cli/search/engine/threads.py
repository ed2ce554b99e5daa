"""Jobs of one search side by side, one thread each: faster on a CPU than all threads on one of them."""

import threading
from collections.abc import Callable, Sequence

import torch

from ftso_cli.interrupt import run_jobs


class StoppedError(Exception):
    """Another job failed, or the user stopped the search: what a job raises once it sees that."""


def run_all(jobs: Sequence[Callable[[], object]], workers: int, stop: threading.Event) -> None:
    """Run the jobs, so many at a time, as `run_jobs` does."""
    threads = torch.get_num_threads()
    try:
        run_jobs(jobs, workers, stop, first=lambda: torch.set_num_threads(1))
    finally:
        torch.set_num_threads(threads)
