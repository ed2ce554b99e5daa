"""Does a topology search find the same wiring again? Agreement of disjoint ensembles against what it depends on.

Every search runs on one thread, as `--seeds` runs it; its scores in several windows of iterations become one line of
the records. A run that was cut off goes on where its records end. A table goes to stderr, one JSON line to stdout.

    python benchmarks/agreement.py --data DIR --workers 2          # DIR: CIFAR-10 as class folders; hours
    python benchmarks/agreement.py                                 # the tables of the records that are there
"""

import argparse
import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from records import add, by_study, read

from ftso_cli.data import open_images
from ftso_cli.genotype import Cell, Edge
from ftso_cli.genotype.agreement import SIGNIFICANT, chance, split_half_agreement, z_scores
from ftso_cli.nn.supernet import complete_wiring
from ftso_cli.search.phases import topology_member
from ftso_cli.settings.searches import TopologySettings
from ftso_cli.spaces import DARTS

RECORDS = Path(__file__).parent / "records" / "agreement.jsonl"
STARTS = (1, 2, 6, 11, 16, 21, 41, 81, 161, 391, 781)
"""First iterations of the windows; iteration i sees weights after i - 1 steps."""

Windows = dict[str, dict[str, list[float]]]
"""For each window of iterations and kind of cell, a score for each edge."""


@dataclass(frozen=True, kw_only=True)
class Study:
    """Searches that differ in their seed alone."""

    settings: TopologySettings
    seeds: int
    scale: float = 1.0
    """What the initial β are multiplied by; they matter only where β are followed."""


def _gradient(seeds: int, *, iters: int = 15, **settings: Any) -> Study:
    return Study(settings=TopologySettings(rank="gradient", iters=iters, **settings), seeds=seeds)


def _beta(seeds: int, *, iters: int = 20, scale: float = 1.0, **settings: Any) -> Study:
    return Study(settings=TopologySettings(rank="beta", iters=iters, **settings), seeds=seeds, scale=scale)


SMALL = {"channels": 8, "cells": 5}
STUDIES = {
    "as the paper, by gradient": _gradient(64),
    "rate 0.1": _gradient(32, weight_lr=0.1),
    "small net": _gradient(64, **SMALL),
    "small net, rate 0.1": _gradient(64, weight_lr=0.1, **SMALL),
    "half of the channels": _gradient(32, partial=2),
    "all channels": _gradient(16, partial=1),
    "batch 256": _gradient(16, batch_size=256),
    "small net, max_pool_3x3": _gradient(32, ops=("max_pool_3x3",), **SMALL),
    "small net, avg_pool_3x3": _gradient(32, ops=("avg_pool_3x3",), **SMALL),
    "small net, sep_conv_3x3": _gradient(32, ops=("sep_conv_3x3",), **SMALL),
    "as the paper, by beta": _beta(16),
    "by beta, from 0": _beta(16, scale=0.0),
    "by beta, rate of beta 6e-3": _beta(16, arch_lr=6e-3),
    "small net, two epochs, by gradient": _gradient(8, iters=780, **SMALL),
    "small net, two epochs, by beta": _beta(8, iters=780, **SMALL),
    "one epoch, by gradient": _gradient(8, iters=390),
}


def searched(name: str, seed: int, data: str) -> dict[str, Any]:
    """The record of one search: its scores by window."""
    torch.set_num_threads(1)
    study, started = STUDIES[name], time.process_time()
    images = open_images(data)
    member = topology_member(images, study.settings, seed=seed, device=torch.device("cpu"))
    with torch.no_grad():
        for beta in member.net.beta.values():
            beta.mul_(study.scale)
    windows: Windows = {}
    for first, last in _windows(study.settings.iters or 0):
        # A window of its own for the gradients: what came before is no part of its mean.
        before, done = _total(member), member.iteration
        while member.iteration < last:
            member.step()
        windows[f"{first}-{last}"] = {
            kind: [
                float(f"{(score - old) / (last - done):.4g}") for score, old in zip(scores, before[kind], strict=True)
            ]
            if study.settings.rank == "gradient"
            else [float(f"{score:.5g}") for score in scores]
            for kind, scores in _total(member).items()
        }
    return {"study": name, "seed": seed, "seconds": round(time.process_time() - started, 1), "windows": windows}


def _total(member: Any) -> dict[str, list[float]]:
    """Scores so far: β, or the sum of the gradients."""
    times = member.iteration if member.settings.rank == "gradient" else 1
    return {kind: [score * times for score in member.scores(kind)] for kind in DARTS.kinds}


def _windows(iters: int) -> Iterator[tuple[int, int]]:
    """First and last iteration of each window."""
    starts = [start for start in STARTS if start <= iters]
    yield from zip(starts, [start - 1 for start in starts[1:]] + [iters], strict=True)


def run(names: list[str], path: Path, data: str, workers: int) -> None:
    """Runs what is missing in the records."""
    open_images(data).train.load_all(lambda done, total: None)  # fills the cache
    there = {(record["study"], record["seed"]) for record in read(path)}
    missing = [(name, seed) for name in names for seed in range(STUDIES[name].seeds) if (name, seed) not in there]
    work = [partial(searched, *each, data) for each in missing]
    add(path, work, ProcessPoolExecutor(workers, mp_context=get_context("spawn")), by_study)


def cell_of(scores: list[list[float]]) -> Cell:
    """The cell of an ensemble with these scores, a list of edges for each seed."""
    wiring = complete_wiring(4)
    edges = (
        Edge(source=source, target=target, op="skip_connect", scores=tuple(own))
        for (source, target), own in zip(wiring.edges, zip(*scores, strict=True), strict=True)
    )
    return Cell(edges=tuple(edges), concat=wiring.concat)


def summary(records: list[dict[str, Any]]) -> dict[str, Any]:
    """For each study, window and kind of cell: agreement by size of the ensembles, and the edges found by all seeds."""
    by_study: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for record in sorted(records, key=lambda record: int(record["seed"])):
        by_study[record["study"]].append(record)
    return {
        name: {
            "seeds": len(by_study[name]),
            "seconds": sorted(record["seconds"] for record in by_study[name])[len(by_study[name]) // 2],
            "windows": {window: _window(by_study[name], window) for window in by_study[name][0]["windows"]},
        }
        for name in STUDIES
        if len(by_study[name]) > 1
    }


def _window(records: list[dict[str, Any]], window: str) -> dict[str, Any]:
    sizes = [2**power for power in range(10) if 2 ** (power + 1) <= len(records)]
    facts: dict[str, Any] = {}
    for kind in DARTS.kinds:
        cell = cell_of([record["windows"][window][kind] for record in records])
        found = z_scores(cell, DARTS.keep)
        facts[kind] = {
            "agreement": {size: round(split_half_agreement(cell, DARTS.keep, size), 3) for size in sizes},
            "found": sum(z is not None and z >= SIGNIFICANT for z in found),
            "chosen": sum(z is not None for z in found),
        }
    return facts


def table(facts: dict[str, Any]) -> str:
    """The agreement of the normal and the reduction cell, by study, window and size of the ensembles."""
    lines = [f"chance: {chance(cell_of([[0.0] * 14]), DARTS.keep):.3f}"]
    for name, study in facts.items():
        lines.append(f"{name}: {study['seeds']} seeds, {study['seconds']} s each")
        for window, kinds in study["windows"].items():
            cells = "   ".join(
                f"{kind} "
                + " ".join(f"{size}:{share:.2f}" for size, share in its["agreement"].items())
                + f" found {its['found']}/{its['chosen']}"
                for kind, its in kinds.items()
            )
            lines.append(f"  {window:>9}  {cells}")
    return "\n".join(lines)


def main() -> None:
    """Runs what is missing, and prints the tables of all records."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="a folder of CIFAR-10 images; without it nothing is run")
    parser.add_argument("--records", type=Path, default=RECORDS)
    parser.add_argument("--only", action="append", choices=list(STUDIES), help="one of the studies; may be repeated")
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    if asked.data:
        run(asked.only or list(STUDIES), asked.records, asked.data, asked.workers)
    facts = summary(read(asked.records))
    print(table(facts), file=sys.stderr)
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
