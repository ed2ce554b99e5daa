"""What `search-ops --strategy capacity` finds in the nats space, seed by seed, and how that moves with its settings.

Every search runs on one thread and becomes one line of the records; a run that was cut off goes on where they end. The
table of NATS-Bench is read afterwards, to tell what the cells reached. A table goes to stderr, one JSON line to stdout.

    python benchmarks/nats_capacity.py --data cifar10 --workers 2        # an hour
    python benchmarks/nats_capacity.py --table nats_bench.csv.gz         # the tables of the records that are there
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import torch
from records import add, by_study, read

from ftso_cli.benchmarks.nats import Table
from ftso_cli.benchmarks.tables import read_table
from ftso_cli.data import open_images
from ftso_cli.genotype import FORMAT, Cell, Edge, Genotype
from ftso_cli.genotype.formats.nats import architecture
from ftso_cli.search.operators.capacity import Capacity, with_operators
from ftso_cli.settings.capacity import CapacitySettings
from ftso_cli.spaces import NATS
from ftso_cli.spaces.nats import DATA_SETS, EDGES, KIND, OUTPUT

RECORDS = Path(__file__).parent / "records" / "nats_capacity.jsonl"
FROZEN = CapacitySettings(ops=NATS.candidates)
"""The defaults, as they were before any of these cells was looked up in the table."""
FRESH = range(10)
FEW = range(2)

STUDIES: Mapping[str, tuple[CapacitySettings, range]] = {
    "as it is": (FROZEN, FRESH),
    "steps 10": (replace(FROZEN, steps=10), FEW),
    "steps 40": (replace(FROZEN, steps=40), FEW),
    "initialisations 6": (replace(FROZEN, inits=6), FEW),
    "slack 2": (replace(FROZEN, slack=2.0), FEW),
    "weight rate 0.05": (replace(FROZEN, weight_lr=0.05), FEW),
    "weight rate 0.2": (replace(FROZEN, weight_lr=0.2), FEW),
    "batch 16": (replace(FROZEN, batch_size=16), FEW),
    "batch 64": (replace(FROZEN, batch_size=64), FEW),
    "channels 4": (replace(FROZEN, channels=4), FEW),
    "channels 16": (replace(FROZEN, channels=16), FEW),
    "cells 8": (replace(FROZEN, cells=8), FEW),
    "cells 30": (replace(FROZEN, cells=30), FEW),
    "side 8": (replace(FROZEN, side=8), FEW),
    "naswot": (replace(FROZEN, score="naswot"), FEW),
    "zico": (replace(FROZEN, score="zico"), FEW),
    "side 32": (replace(FROZEN, side=32), FEW),
}


def wiring() -> Genotype:
    """All edges of the cell, each with the same operator."""
    cell = Cell(
        edges=tuple(Edge(source=source, target=target, op=NATS.default_operator) for source, target in EDGES),
        concat=(OUTPUT,),
    )
    return Genotype(format=FORMAT, space=NATS.name, stage="complete", cells={KIND: cell})


def text(ops: tuple[str, ...]) -> str:
    """The architecture string of these operators."""
    return architecture(with_operators(wiring(), ops).cells[KIND])


def searched(name: str, seed: int, data: str) -> dict[str, Any]:
    """The record of one search."""
    torch.set_num_threads(1)
    images, started = open_images(data), time.process_time()
    search = Capacity(wiring(), images, STUDIES[name][0], seed=seed, device=torch.device("cpu"))
    search.run(lambda progress: None)
    found = search.choice()
    return {
        "study": name,
        "seed": seed,
        "seconds": round(time.process_time() - started, 1),
        "cell": architecture(found.genotype.cells[KIND]),
        "highest": text(found.highest),
        "trials": [
            {
                "cell": text(trial.ops),
                "costs": round(trial.costs, 4),
                "losses": [round(loss, 4) for loss in trial.losses],
            }
            for trial in found.trials
        ],
    }


def run(names: list[str], path: Path, data: str, workers: int) -> None:
    """Runs what is missing in the records."""
    there = {(record["study"], record["seed"]) for record in read(path)}
    missing = [(name, seed) for name in names for seed in STUDIES[name][1] if (name, seed) not in there]
    missing.sort(key=lambda each: (STUDIES[each[0]][1] is not FRESH, each[1]))  # one seed of every study, then another
    work = [partial(searched, *each, data) for each in missing]
    add(path, work, ProcessPoolExecutor(workers, mp_context=get_context("spawn")), by_study)


def summary(records: list[dict[str, Any]], table: Table) -> dict[str, Any]:
    """For each study the accuracies of what it found: mean, deviation, worst and best, on each data set."""
    facts: dict[str, Any] = {}
    records = records + [each for record in records if record["study"] == "as it is" for each in replayed(record)]
    for name in (*STUDIES, "slack 0.5", "initialisations 1"):
        its = [record for record in records if record["study"] == name]
        if not its:
            continue
        scores = [table.find(record["cell"]).scores for record in its]
        accuracies = {key: [score[key].accuracy for score in scores] for key in DATA_SETS}
        facts[name] = {
            "seeds": len(its),
            "cells": sorted({record["cell"] for record in its}),
            "seconds": round(fmean(record["seconds"] for record in its), 1),
            **{key: _moments(values) for key, values in accuracies.items()},
        }
    return facts


def replayed(record: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What a search with half the slack, and one with each of its initialisations alone, would have found.

    That is in its record, as long as all that it raced differs on one edge, and the same one.
    """
    trials = record["trials"]
    edges = [
        [
            at
            for at, pair in enumerate(zip(trial["cell"].split("|"), record["highest"].split("|"), strict=True))
            if pair[0] != pair[1]
        ]
        for trial in trials
    ]
    if len({tuple(changed) for changed in edges if changed}) > 1:
        return
    close = [trial for trial in trials if trial["costs"] < FROZEN.slack / 2]
    yield record | {"study": "slack 0.5", "cell": min(close, key=lambda trial: fmean(trial["losses"]))["cell"]}
    for init in range(FROZEN.inits):
        best = min(trials, key=lambda trial: trial["losses"][init])
        yield record | {"study": "initialisations 1", "cell": best["cell"]}


def _moments(values: list[float]) -> dict[str, float]:
    deviation = stdev(values) if len(values) > 1 else 0.0
    figures = {"mean": fmean(values), "std": deviation, "worst": min(values), "best": max(values)}
    return {name: round(value, 2) for name, value in figures.items()}


def shown(facts: dict[str, Any]) -> str:
    """A line for each study."""
    lines = [f"{'':20} seeds cells    CIFAR-10 mean worst best    CIFAR-100   ImageNet16-120   seconds"]
    for name, its in facts.items():
        first, *others = (its[key] for key in DATA_SETS)
        means = "   ".join(f"{each['mean']:8.2f} ± {each['std']:.2f}" for each in others)
        lines.append(
            f"{name:20} {its['seeds']:5} {len(its['cells']):5}    {first['mean']:8.2f} ± {first['std']:.2f} "
            f"{first['worst']:.2f} {first['best']:.2f}  {means}   {its['seconds']:7.1f}"
        )
    return "\n".join(lines)


def main() -> None:
    """Runs what is missing, and prints what the cells of all records reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="CIFAR-10 images; without it nothing is run")
    parser.add_argument("--table", type=Path, help="the table of NATS-Bench; without it nothing is looked up")
    parser.add_argument("--records", type=Path, default=RECORDS)
    parser.add_argument("--only", action="append", choices=list(STUDIES), help="one of the studies; may be repeated")
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    if asked.data:
        run(asked.only or list(STUDIES), asked.records, asked.data, asked.workers)
    if asked.table:
        facts = summary(read(asked.records), read_table(asked.table))
        print(shown(facts), file=sys.stderr)
        print(json.dumps(facts))


if __name__ == "__main__":
    main()
