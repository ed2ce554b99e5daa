"""Work on the rows of a matrix in blocks that stay in a core's cache, shared among threads.

Each thread takes a part of the rows and goes through it block by block with operations on one core. torch's own way,
several cores inside each operation, makes all cores wait for the slowest after every operation. For operations as
small as these that costs much where anything else runs on the machine.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

import torch
from torch import Tensor

BLOCK_BYTES = 1 << 20
"""What a block may take: the level-2 cache of a core."""

Result = TypeVar("Result")


def shared(work: Callable[[Iterator[slice]], Result], rows: Tensor, width: int) -> list[Result]:
    """Calls `work` with the blocks of each part of the rows, on a thread each, and returns the results in order.

    A row takes `width` numbers. There are as many parts as torch may use cores; on other devices than the CPU, all
    rows are one block. `work` may not need gradients.
    """
    count = len(rows)
    if rows.device.type != "cpu":
        return [work(iter([slice(0, count)]))]
    step = max(1, BLOCK_BYTES // (rows.element_size() * width))
    threads = max(1, min(torch.get_num_threads(), count // step))
    parts = [(count * part // threads, count * (part + 1) // threads) for part in range(threads)]
    if threads == 1:
        return [work(_blocks(0, count, step))]
    return list(_workers(threads).map(lambda part: _on_one_core(work, _blocks(*part, step)), parts))


def _blocks(start: int, end: int, step: int) -> Iterator[slice]:
    return (slice(at, min(at + step, end)) for at in range(start, end, step))


@torch.no_grad()
def _on_one_core(work: Callable[[Iterator[slice]], Result], blocks: Iterator[slice]) -> Result:
    return work(blocks)


@cache
def _workers(threads: int) -> ThreadPoolExecutor:
    """The threads, started at their first use. torch counts cores for each thread of a program by itself."""
    return ThreadPoolExecutor(threads, "ftso-block", initializer=lambda: torch.set_num_threads(1))
