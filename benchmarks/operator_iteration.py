"""Seconds of an iteration of the operator search: as published, operator by operator in NCHW, and as ftso runs it.

An iteration is a step on α and β and a step on the weights of the super-net on a pruned topology, all eight candidates
on each kept edge; gradients only, the steps of the optimizers cost next to nothing. Both take turns in one process. A
table goes to stderr, one JSON line to stdout.

    OMP_NUM_THREADS=1 python benchmarks/operator_iteration.py --batch-size 64 --repeats 5
"""

import argparse
import json
import sys
import time
from statistics import median

import torch
from torch.nn import functional

from ftso_cli.genotype import library
from ftso_cli.nn.device import seeded
from ftso_cli.nn.mixed import SharedSuperNet
from ftso_cli.nn.supernet import SuperNet, Wiring
from ftso_cli.spaces import DARTS
from ftso_cli.spaces.darts import SEARCH

ENGINES = {"published": SuperNet, "ftso": SharedSuperNet}


def build(engine: type[SuperNet], partial: int) -> SuperNet:
    """The super-net of the paper's operator search on the widest wiring."""
    cell = library.load_genotype("ftso_wide_sep3")
    wirings = {
        kind: Wiring(edges=tuple((edge.source, edge.target) for edge in found.kept), concat=found.concat)
        for kind, found in cell.cells.items()
    }
    with seeded(0):
        return engine(wirings, DARTS, DARTS.candidates, SEARCH, partial=partial)


def iterate(net: SuperNet, images: torch.Tensor, labels: torch.Tensor) -> None:
    """Both gradients of an iteration."""
    for parameters in (net.architecture(), net.weights()):
        with net.moving(parameters):
            torch.autograd.grad(functional.cross_entropy(net(images), labels), parameters)


def main() -> None:
    """Measures, prints a table and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--partial", type=int, default=4)
    options = parser.parse_args()
    torch.manual_seed(0)
    images, labels = torch.randn(options.batch_size, 3, 32, 32), torch.randint(10, (options.batch_size,))
    nets = {name: build(engine, options.partial) for name, engine in ENGINES.items()}
    taken: dict[str, list[float]] = {name: [] for name in nets}
    for turn in range(options.repeats + 1):
        for name, net in nets.items():
            started = time.perf_counter()
            iterate(net, images, labels)
            if turn:
                taken[name].append(time.perf_counter() - started)
    seconds = {name: median(values) for name, values in taken.items()}
    times = seconds["published"] / seconds["ftso"]
    for name, value in seconds.items():
        print(f"{name:<12}{value:8.3f} s", file=sys.stderr)
    print(f"{times:.2f} times as fast", file=sys.stderr)
    print(
        json.dumps(
            {
                "batch_size": options.batch_size,
                "partial": options.partial,
                "threads": torch.get_num_threads(),
                "seconds": {name: round(value, 4) for name, value in seconds.items()},
                "times_faster": round(times, 2),
            }
        )
    )


if __name__ == "__main__":
    main()
