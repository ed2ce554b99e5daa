"""Does a topology search beat a draw? Searches and fixed wirings, each trained from scratch, compared in pairs.

Every search and every training is a command of `ftso` in a process of its own, on one thread; what it says becomes
one line of the records. A run that was cut off goes on where its records end. Tables go to stderr, one JSON line to
stdout.

    python benchmarks/topologies.py --cifar DIR --fashion fashion-mnist --workers 2     # many hours on two cores
    python benchmarks/topologies.py                                                   # the tables of the records
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from records import Record, add, read
from scipy.stats import pearsonr, spearmanr

from ftso_cli.genotype import storage
from ftso_cli.genotype.edit import prune
from ftso_cli.search.topologies import Topology, deepest, draw, topology_of, widest
from ftso_cli.spaces import DARTS

RECORDS = Path(__file__).parent / "records" / "topologies.jsonl"
SEARCHES, DRAWS = 5, 20
NETWORK = ["--channels", "8", "--cells", "5", "--batch-size", "64", "--image-size", "16", "--drop-path", "0"]

METHODS: dict[str, Callable[[int], list[str]]] = {
    "beta, 1 iteration": lambda number: ["--iters", "1", "--seed", str(number)],
    "beta, 1 epoch": lambda number: ["--epochs", "1", "--seed", str(number)],
    "beta, 2 epochs": lambda number: ["--epochs", "2", "--seed", str(number)],
    "stable": lambda number: ["--preset", "stable", "--seeds", f"{1000 * number}-{1000 * number + 127}"],
    "race": lambda number: ["--rank", "race", "--budget", "2600", "--seed", str(number)],
}
"""For each topology search, the options of `ftso search-topology` for its search of a number."""
FIXED = {"wide": widest(4), "deep": deepest(4)}
TRAININGS = {
    "cifar": ("cifar", ["--epochs", "1"], 2),
    "cifar, 4 epochs": ("cifar", ["--epochs", "4"], 1),
    "fashion": ("fashion", ["--epochs", "1"], 2),
}
"""For each budget, the data set, the options of `ftso train`, and the number of seeds."""


def ftso(*arguments: str) -> dict[str, Any]:
    """What a command says with --json; raises `RuntimeError` with its last words where it fails."""
    command = [sys.executable, "-m", "ftso_cli", *arguments, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)}: {done.stderr[-500:]}")
    facts: dict[str, Any] = json.loads(done.stdout)
    return facts


def searched(method: str, number: int, data: str) -> Record:
    """A search: the wiring that it found, and its seconds on one thread."""
    with tempfile.TemporaryDirectory() as folder:
        cell = Path(folder) / "cell.json"
        options = METHODS[method](number)
        facts = ftso("search-topology", "--data", data, *options, "--workers", "1", "-o", str(cell))
        found = storage.read(cell)
    if found.stage == "searched":
        found, _ = prune(found)
    return {
        "kind": "search",
        "method": method,
        "number": number,
        "cells": topology_of(found).cells,
        "seconds": facts["seconds"]["search"],
    }


def trained(topology: Topology, budget: str, seed: int, data: str) -> Record:
    """A training from scratch: test accuracy after the last epoch, and seconds on one thread."""
    with tempfile.TemporaryDirectory() as folder:
        cell = Path(folder) / "cell.json"
        storage.write(topology.genotype(DARTS.usual), cell)
        options = [*NETWORK, *TRAININGS[budget][1], "--seed", str(seed)]
        facts = ftso("train", str(cell), "--data", data, *options, "-o", str(Path(folder) / "run"))
    return {
        "kind": "training",
        "budget": budget,
        "cells": topology.cells,
        "seed": seed,
        "accuracy": facts["test_accuracy"],
        "seconds": facts["seconds"]["train"],
    }


def draws() -> list[Topology]:
    """The random wirings, always the same."""
    return [draw(random.Random(number), 4) for number in range(DRAWS)]


def topologies(records: Sequence[Record]) -> dict[str, list[Topology]]:
    """The wirings of each method, in the order of its searches."""
    found = {name: [topology] for name, topology in FIXED.items()} | {"random": draws()}
    for method in METHODS:
        own = sorted((each for each in records if each.get("method") == method), key=lambda each: int(each["number"]))
        found[method] = [_topology(each) for each in own]
    return found


def _topology(record: Record) -> Topology:
    return Topology(tuple(tuple(tuple(sources) for sources in inputs) for inputs in record["cells"]))


def missing(
    records: Sequence[Record], data: dict[str, str], budgets: Sequence[str], methods: Sequence[str]
) -> Iterator[partial[Record]]:
    """What is still to be run, as far as is known: trainings of a search follow when it is done."""
    searches = {(each["method"], each["number"]) for each in records if each["kind"] == "search"}
    trainings = {(each["budget"], _topology(each), each["seed"]) for each in records if each["kind"] == "training"}
    for number in range(SEARCHES):
        for method in methods:
            if (method, number) not in searches:
                yield partial(searched, method, number, data["cifar"])
    wirings = list(dict.fromkeys(topology for each in topologies(records).values() for topology in each))
    for budget in budgets:
        where = data.get(TRAININGS[budget][0])
        for seed in range(TRAININGS[budget][2]):
            for topology in wirings:
                if where and (budget, topology, seed) not in trainings:
                    yield partial(trained, topology, budget, seed, where)


def run(path: Path, data: dict[str, str], budgets: Sequence[str], methods: Sequence[str], workers: int) -> None:
    """Runs what is missing; searches first, for their wirings have to be trained too."""
    path.parent.mkdir(exist_ok=True)
    while work := list(missing(read(path), data, budgets, methods)):
        add(path, work, ThreadPoolExecutor(workers), str)


def summary(records: Sequence[Record]) -> dict[str, Any]:
    """For each budget: accuracy of each method, and of the same seeds less the mean of random wirings."""
    accuracy = {
        (each["budget"], _topology(each), each["seed"]): 100 * each["accuracy"]
        for each in records
        if each["kind"] == "training"
    }
    found = topologies(records)
    facts: dict[str, Any] = {"searches": _seconds(records)}
    for budget in TRAININGS:
        seeds = sorted({seed for its, _, seed in accuracy if its == budget})
        if not seeds:
            continue
        means = {
            name: [
                fmean(accuracy[budget, each, seed] for seed in seeds)
                for each in wirings
                if all((budget, each, seed) in accuracy for seed in seeds)
            ]
            for name, wirings in found.items()
        }
        if means["random"]:
            facts[budget] = {name: _compared(own, means["random"]) for name, own in means.items() if own}
    short, long = _both(accuracy, found, "cifar", "cifar, 4 epochs")
    facts["cifar, 1 and 4 epochs"] = _correlation(short, long)
    facts["cifar and fashion"] = _correlation(*_both(accuracy, found, "cifar", "fashion"))
    return facts


def _seconds(records: Sequence[Record]) -> dict[str, float]:
    """The mean seconds of a search by each method, on one thread."""
    own = {method: [each["seconds"] for each in records if each.get("method") == method] for method in METHODS}
    return {method: round(fmean(seconds), 1) for method, seconds in own.items() if seconds}


def _compared(own: Sequence[float], drawn: Sequence[float]) -> dict[str, float]:
    """Mean and standard error over searches, and the difference to random wirings in standard errors."""
    facts = {"wirings": len(own), "mean": round(fmean(own), 2), "over_random": round(fmean(own) - fmean(drawn), 2)}
    if len(own) > 1:
        error = stdev(own) / len(own) ** 0.5
        both = (error**2 + stdev(drawn) ** 2 / len(drawn)) ** 0.5
        facts |= {"error": round(error, 2), "z": round((fmean(own) - fmean(drawn)) / both, 1) if both else 0.0}
    return facts


def _both(
    accuracy: dict[tuple[str, Topology, int], float], found: dict[str, list[Topology]], one: str, other: str
) -> tuple[list[float], list[float]]:
    """The accuracies of all wirings that were trained under both budgets, with seed 0."""
    pairs = [
        (accuracy[one, each, 0], accuracy[other, each, 0])
        for each in dict.fromkeys(each for wirings in found.values() for each in wirings)
        if (one, each, 0) in accuracy and (other, each, 0) in accuracy
    ]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def _correlation(short: Sequence[float], long: Sequence[float]) -> dict[str, float]:
    if len(short) < 3:
        return {"wirings": len(short)}
    return {
        "wirings": len(short),
        "pearson": round(float(pearsonr(short, long)[0]), 3),
        "spearman": round(float(spearmanr(short, long)[0]), 3),
    }


def main() -> None:
    """Runs what is missing, and prints the tables of all records."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cifar", help="a folder of CIFAR-10 images; without it nothing is run")
    parser.add_argument("--fashion", help="the Fashion-MNIST images")
    parser.add_argument("--budget", action="append", choices=list(TRAININGS), help="may be repeated; default: all")
    parser.add_argument("--method", action="append", choices=list(METHODS), help="may be repeated; default: all")
    parser.add_argument("--records", type=Path, default=RECORDS)
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    if asked.cifar:
        data = {"cifar": asked.cifar} | ({"fashion": asked.fashion} if asked.fashion else {})
        run(asked.records, data, asked.budget or list(TRAININGS), asked.method or list(METHODS), asked.workers)
    facts = summary(read(asked.records))
    for name, rows in facts.items():
        print(name, file=sys.stderr)
        for key, value in rows.items():
            print(f"  {key:<22} {value}", file=sys.stderr)
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
