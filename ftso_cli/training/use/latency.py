"""The latency of a trained network on this device."""

import time
from dataclasses import dataclass

import numpy as np
import torch

from ftso_cli.nn.device import kept_threads, use_fewer_threads
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
def measure_latency(classifier: Classifier, *, batch_size: int, runs: int, warm_up: int) -> Latency:
    """Times `runs` batches after `warm_up` that don't count, on the device of the classifier, as it is deployed.

    On a CPU with one thread where that is faster: where other programs have the cores, threads wait for one another.
    """
    device = classifier.mean.device
    network = classifier.deploy()
    size = (batch_size, classifier.channels, *classifier.image_size)
    images = torch.rand(size, device=device).to(memory_format=torch.channels_last)
    seconds = []
    with kept_threads():
        threads = use_fewer_threads(lambda: network(images)) if device.type == "cpu" else torch.get_num_threads()
        for _ in range(warm_up + runs):
            _finish(device)
            started = time.perf_counter()
            network(images)
            _finish(device)
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


def _finish(device: torch.device) -> None:
    """GPUs work on while Python goes ahead."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
