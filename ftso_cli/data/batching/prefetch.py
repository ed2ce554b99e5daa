"""Batches that are read ahead in a thread, so that decoding images hides behind computing on the last ones."""

from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from ftso_cli.data.batching.batches import Batch, Batches

DEPTH = 2
"""Batches that wait to be taken."""

State = dict[str, Any]


class PrefetchedBatches:
    """The same batches in the same order; `state` is that of the batches taken, not of those read ahead."""

    def __init__(self, batches: Batches, depth: int = DEPTH) -> None:
        self._batches, self._depth = batches, depth
        # One thread alone ever reads, so the order of images and random numbers is as without it.
        self._thread = ThreadPoolExecutor(1, "batches")
        self._read: deque[Future[tuple[Batch, State]]] = deque()
        self._state = batches.state()

    @property
    def steps_per_epoch(self) -> int:
        """Batches in one pass over the images."""
        return self._batches.steps_per_epoch

    def __iter__(self) -> "PrefetchedBatches":
        return self

    def __next__(self) -> Batch:
        while len(self._read) <= self._depth:
            self._read.append(self._thread.submit(self._next))
        batch, self._state = self._read.popleft().result()
        return batch

    def _next(self) -> tuple[Batch, State]:
        return next(self._batches), self._batches.state()

    def state(self) -> State:
        """Return the same as `Batches.state`."""
        return self._state

    def restore(self, state: Mapping[str, Any]) -> None:
        """Do the same as `Batches.restore`."""
        for future in self._read:
            future.cancel()
        self._read.clear()
        self._thread.submit(self._batches.restore, state).result()
        self._state = self._batches.state()
