"""The latency of a network on this device."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ftso_cli.nn.device import kept_threads, synchronize, use_fewer_threads
from ftso_cli.training.use.classifier import Classifier

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
    seconds: float = math.inf,
) -> Latency:
    """Time `runs` batches of images (C, H, W) after `warm_up` that don't count, fewer once `seconds` have passed.

    On a CPU with one thread where that is faster: where other programs have the cores, threads wait for one another.
    """
    generator = torch.Generator(device).manual_seed(0)
    images = torch.rand((batch_size, *image), generator=generator, device=device).to(memory_format=torch.channels_last)
    taken, began = list[float](), time.perf_counter()
    with kept_threads():
        threads = use_fewer_threads(lambda: network(images)) if device.type == "cpu" else torch.get_num_threads()
        while len(taken) < warm_up + runs and (len(taken) <= warm_up or time.perf_counter() - began < seconds):
            synchronize(device)
            started = time.perf_counter()
            network(images)
            synchronize(device)
            taken.append(time.perf_counter() - started)
    times = np.percentile(taken[warm_up:], PERCENTILES)
    return Latency(
        device=str(device),
        threads=threads,
        batch_size=batch_size,
        runs=len(taken) - warm_up,
        milliseconds={at: round(1000 * float(value), 4) for at, value in zip(PERCENTILES, times, strict=True)},
        images_a_second=round(batch_size / float(times[0]), 1),
    )


def time_classifier(
    classifier: Classifier, *, batch_size: int, runs: int, warm_up: int, seconds: float = math.inf
) -> Latency:
    """Time a trained network as it is deployed, normalising included."""
    image, device = (classifier.channels, *classifier.image_size), classifier.mean.device
    return measure_latency(
        classifier.deploy(), image, device, batch_size=batch_size, runs=runs, warm_up=warm_up, seconds=seconds
    )
