"""The latency of networks as the sum over the table of operations, against the whole networks.

The table is filled by other networks than those that are estimated where their operations are alike. Rows go to
stderr, one JSON line to stdout, with the largest and the median error. With `--found` the networks are those of cells
that searches found under `--fit-latency`, which share a table.

One thread runs, and whole networks are timed by its processor time: an operation is over before another program gets
the core, a network is not.

    OMP_NUM_THREADS=1 python benchmarks/latency_table.py [--found]
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from statistics import fmean, median

import torch

from ftso_cli import search_baseline
from ftso_cli.genotype import Genotype, library
from ftso_cli.nn.device import seeded
from ftso_cli.nn.latency import LatencyTable
from ftso_cli.nn.merged import deployed
from ftso_cli.nn.network import Network
from ftso_cli.search.latencies import NetworkLatencies
from ftso_cli.spaces import DARTS
from ftso_cli.spaces.darts import NetworkShape

CPU = torch.device("cpu")

NETWORKS = (
    ("ftso_single", NetworkShape(channels=24, cells=3, stem="pooled", reduction="pooled"), 32),
    ("ftso_single", NetworkShape(channels=64, cells=3, stem="pooled-quarter", reduction="pooled"), 64),
    ("ftso_wide_sep3", NetworkShape(channels=16, cells=8), 32),
    ("pc_darts_cifar", NetworkShape(channels=16, cells=8), 32),
    ("nasnet_a", NetworkShape(channels=8, cells=5), 32),
    ("darts_v2", NetworkShape(channels=36, cells=20), 32),
    ("darts_v2", NetworkShape(channels=48, cells=14, stem="imagenet", classes=1000), 224),
)

WARM_UP, RUNS = 5, 20

ROUNDS = 5
"""Measurements of the operations between two of the whole network; the median ratio counts."""

PAPER, PLAIN = DARTS.derivable[:7], ("conv_1x1", "conv_3x3", "skip_connect", "max_pool_3x3", "sep_conv_3x3")

FOUND = (
    ("evolution", 0.9, PAPER),
    ("local-search", 0.8, PAPER),
    ("random", 1.0, PAPER),
    ("evolution", 0.7, PLAIN),
    ("random", 0.9, PLAIN),
    ("reinforce", 0.8, ("conv_1x1", "skip_connect", "avg_pool_3x3", "dil_conv_3x3")),
)
"""Searches for the cell of the most parameters: method, limit as a share of `ftso_wide_sep3`, operators."""


def main() -> None:
    """Compares every network, and prints the JSON line."""
    rows = []
    for row in found() if "--found" in sys.argv else published():
        rows.append(row)
        print(json.dumps(row), file=sys.stderr, flush=True)
    errors = [abs(float(str(row["ratio"])) - 1) for row in rows]
    summary = {"threads": torch.get_num_threads(), "largest_error": max(errors), "median_error": median(errors)}
    print(json.dumps(summary | {"networks": rows}))


def published() -> Iterator[dict[str, object]]:
    """Compare networks of published cells."""
    for name, shape, side in NETWORKS:
        row = {"cell": name, "channels": shape.channels, "cells": shape.cells, "pixels": side}
        yield row | compared(library.load_genotype(name), shape, side)


def found() -> Iterator[dict[str, object]]:
    """Compare networks of cells that searches find; `search_ms` is what the search went by."""
    network = DARTS.evaluations["cifar"]
    with tempfile.TemporaryDirectory() as cache:
        for seed, (method, share, ops) in enumerate(FOUND):
            os.environ["FTSO_CACHE"] = cache
            known = NetworkLatencies(LatencyTable(CPU), DARTS, network)
            limit = f"{share * known.of(library.load_genotype('ftso_wide_sep3')).milliseconds:.6f}ms"
            genotype = search_baseline(
                method, data="digits", evaluate="params", ops=ops, budget=30, fit_latency=limit, seed=seed
            )
            milliseconds = NetworkLatencies(LatencyTable(CPU), DARTS, network).of(genotype).milliseconds
            row = {"method": method, "limit": limit, "candidates": len(ops), "search_ms": round(milliseconds, 3)}
            yield row | compared(genotype, network.shape, network.pixels)


def compared(genotype: Genotype, shape: NetworkShape, side: int) -> dict[str, float]:
    """Compare the sum over the operations of a network with the whole; the median ratio of all rounds counts."""
    ratios, whole = [], whole_network(genotype, shape, side)
    for _ in range(ROUNDS):
        # A new table, so that its times are from this minute: a machine's clock is not always the same.
        with tempfile.TemporaryDirectory() as cache:
            os.environ["FTSO_CACHE"] = cache
            estimate = LatencyTable(CPU).estimate(genotype, shape, (side, side)).milliseconds
        before, whole = whole, whole_network(genotype, shape, side)
        ratios.append(estimate / fmean([before, whole]))
    return {"estimate_ms": round(estimate, 3), "whole_ms": round(whole, 3), "ratio": round(median(ratios), 3)}


@torch.inference_mode()
def whole_network(genotype: Genotype, shape: NetworkShape, side: int) -> float:
    """Return the median milliseconds of the whole network."""
    with seeded(0):
        network = deployed(Network(genotype, shape, auxiliary=False))
    images, taken = torch.rand(1, 3, side, side).to(memory_format=torch.channels_last), []
    for _ in range(WARM_UP + RUNS):
        began = time.process_time()
        network(images)
        taken.append(time.process_time() - began)
    return 1000 * median(taken[WARM_UP:])


if __name__ == "__main__":
    main()
