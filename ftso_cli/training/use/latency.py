"""The latency of a network on this device."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ftso_cli.nn.device import kept_threads, synchronize, use_fewer_threads

PERCENTILES = (50, 90, 99)


@dataclass(frozen=True, kw_only=True)
class Latency:
    """Milliseconds that a batch takes, by percentile of the runs, and images a second at the median.

    They hold on this `device` with as many `threads`.
    """

    device: str
    threads: int
    batch_size: int
    runs: int
    milliseconds: dict[int, float]
    images_a_second: float


@torch.inference_mode()
def measure_latency(
    network: Callable[[Tensor], object],
    image: tuple[int, int, int],
    device: torch.device,
    *,
    batch_size: int,
    runs: int,
    warm_up: int,
) -> Latency:
    """Time `runs` batches of images (C, H, W) after `warm_up` that don't count.

    On a CPU with one thread where that is faster: where other programs have the cores, threads wait for one another.
    """
    images = torch.rand((batch_size, *image), device=device).to(memory_format=torch.channels_last)
    seconds = []
    with kept_threads():
        threads = use_fewer_threads(lambda: network(images)) if device.type == "cpu" else torch.get_num_threads()
        for _ in range(warm_up + runs):
            synchronize(device)
            started = time.perf_counter()
            network(images)
            synchronize(device)
            seconds.append(time.perf_counter() - started)
    taken = np.percentile(seconds[warm_up:], PERCENTILES)
    return Latency(
        device=str(device),
        threads=threads,
        batch_size=batch_size,
        runs=runs,
        milliseconds={at: round(1000 * float(value), 4) for at, value in zip(PERCENTILES, taken, strict=True)},
        images_a_second=round(batch_size / float(taken[0]), 1),
    )
