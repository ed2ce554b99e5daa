"""The latency of networks as the sum over the table of operations, against the whole networks.

The table is filled by other networks than those that are estimated where their operations are alike. Rows go to
stderr, one JSON line to stdout, with the largest and the median error.

    OMP_NUM_THREADS=1 python benchmarks/latency_table.py
"""

import json
import os
import sys
import tempfile
from statistics import median

import torch

from ftso_cli.genotype import library
from ftso_cli.nn.device import seeded
from ftso_cli.nn.latency import LatencyTable
from ftso_cli.nn.merged import deployed
from ftso_cli.nn.network import Network
from ftso_cli.spaces.darts import NetworkShape
from ftso_cli.training.use.latency import measure_latency

CPU = torch.device("cpu")

NETWORKS = (
    ("ftso_block", NetworkShape(channels=24, cells=3, stem="half"), 32),
    ("ftso_block", NetworkShape(channels=64, cells=3, stem="quarter"), 64),
    ("ftso_wide_sep3", NetworkShape(channels=16, cells=8), 32),
    ("pc_darts_cifar", NetworkShape(channels=16, cells=8), 32),
    ("nasnet_a", NetworkShape(channels=8, cells=5), 32),
    ("darts_v2", NetworkShape(channels=36, cells=20), 32),
    ("darts_v2", NetworkShape(channels=48, cells=14, stem="imagenet", classes=1000), 224),
)

ROUNDS = 3
"""Measurements of each, in turn; the median ratio counts."""


def main() -> None:
    """Compares every network, and prints the JSON line."""
    rows = []
    for name, shape, side in NETWORKS:
        genotype, ratios = library.load_genotype(name), []
        with seeded(0):
            network = deployed(Network(genotype, shape, auxiliary=False))
        for _ in range(ROUNDS):
            # A new table, so that its times are from this minute: a machine's clock is not always the same.
            with tempfile.TemporaryDirectory() as cache:
                os.environ["FTSO_CACHE"] = cache
                estimate = LatencyTable(CPU).estimate(genotype, shape, (side, side)).milliseconds
            whole = measure_latency(network, (3, side, side), CPU, batch_size=1, runs=30, warm_up=5).milliseconds[50]
            ratios.append(estimate / whole)
        row = {"cell": name, "channels": shape.channels, "cells": shape.cells, "pixels": side}
        row |= {"estimate_ms": round(estimate, 3), "whole_ms": round(whole, 3), "ratio": round(median(ratios), 3)}
        rows.append(row)
        print(json.dumps(row), file=sys.stderr, flush=True)
    errors = [abs(float(str(row["ratio"])) - 1) for row in rows]
    summary = {"threads": torch.get_num_threads(), "largest_error": max(errors), "median_error": median(errors)}
    print(json.dumps(summary | {"networks": rows}))


if __name__ == "__main__":
    main()
