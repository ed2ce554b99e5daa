"""Seconds and memory of an iteration of the topology search: folded, edge by edge, and with all eight operators.

An iteration is a step on β and a step on the weights. Engines take turns in one process; memory is the peak of a
process of its own, less that of one that only imports and makes a batch (Linux only). A table goes to stderr, one JSON
line to stdout.

    python benchmarks/topology_iteration.py --batch-size 64 --repeats 5
"""

import argparse
import json
import subprocess
import sys
import time
from statistics import median

import torch
from torch.nn import functional

from ftso_cli.nn.device import peak_memory
from ftso_cli.nn.folded import FoldedSuperNet
from ftso_cli.nn.supernet import SuperNet, complete_wiring
from ftso_cli.spaces import DARTS
from ftso_cli.spaces.darts import SEARCH

SKIP = ("skip_connect",)
ENGINES = {
    "folded": (FoldedSuperNet, SKIP, 4),
    "folded, 12 nodes": (FoldedSuperNet, SKIP, 12),
    "general": (SuperNet, SKIP, 4),
    "general, 8 operators": (SuperNet, DARTS.candidates, 4),
}


def build(engine: str) -> SuperNet:
    """The super-net of the paper's search (8 cells, 16 channels, a quarter of them active) in one engine."""
    make, ops, nodes = ENGINES[engine]
    torch.manual_seed(0)
    return make(dict.fromkeys(DARTS.kinds, complete_wiring(nodes)), DARTS, ops, SEARCH)


def iterate(net: SuperNet, images: torch.Tensor, labels: torch.Tensor) -> None:
    """Both gradients of an iteration; the steps of the optimizers cost next to nothing."""
    for parameters in (net.architecture(), net.weights()):
        with net.moving(parameters):
            torch.autograd.grad(functional.cross_entropy(net(images), labels), parameters)


def batch(size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Random images of CIFAR's size."""
    return torch.randn(size, 3, 32, 32), torch.randint(10, (size,))


def seconds(size: int, repeats: int) -> dict[str, float]:
    """The median seconds of an iteration of every engine, in turns."""
    nets, (images, labels) = {engine: build(engine) for engine in ENGINES}, batch(size)
    taken: dict[str, list[float]] = {engine: [] for engine in ENGINES}
    for turn in range(repeats + 1):
        for engine, net in nets.items():
            started = time.perf_counter()
            iterate(net, images, labels)
            if turn:
                taken[engine].append(time.perf_counter() - started)
    return {engine: median(values) for engine, values in taken.items()}


def peak(size: int, engine: str) -> int:
    """Peak memory in MB of a process of its own that does one iteration; none for the engine "nothing"."""
    command = [sys.executable, __file__, "--batch-size", str(size), "--peak-of", engine]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    """Measures, prints a table and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--peak-of", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak_of:
        images, labels = batch(options.batch_size)
        if options.peak_of != "nothing":
            iterate(build(options.peak_of), images, labels)
        print(peak_memory(torch.device("cpu")))
        return
    taken = seconds(options.batch_size, options.repeats)
    base = peak(options.batch_size, "nothing")
    memory = {engine: peak(options.batch_size, engine) - base for engine in ENGINES}
    for engine in ENGINES:
        times = taken[engine] / taken["folded"]
        print(f"{engine:<22}{taken[engine]:8.3f} s {times:6.1f}x {memory[engine]:6d} MB", file=sys.stderr)
    print(
        json.dumps(
            {
                "batch_size": options.batch_size,
                "threads": torch.get_num_threads(),
                "seconds": {engine: round(value, 4) for engine, value in taken.items()},
                "times_faster_than_general": round(taken["general"] / taken["folded"], 2),
                "times_faster_than_8_operators": round(taken["general, 8 operators"] / taken["folded"], 2),
                "12_nodes_over_4": round(taken["folded, 12 nodes"] / taken["folded"], 2),
                "peak_mb": memory,
            }
        )
    )


if __name__ == "__main__":
    main()
