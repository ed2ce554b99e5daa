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
FORMER = "race, drawn wirings alone"
"""How races began until the widest and the deepest wiring took part; their records are kept, and not trained again."""
FIXED = {"wide": widest(4), "deep": deepest(4)}
TRAININGS = {"cifar": (2, 3), "cifar, a quarter": (0,), "fashion": (2,)}
"""For each set of images, of which every training sees each once, the seeds.

Seeds 0 and 1 of `cifar` were a first look, after which the race was changed; the comparison has fresh ones.
"""
LOOK = ("cifar, a first look", "cifar", (0, 1))


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
        options = [*NETWORK, "--epochs", "1", "--seed", str(seed)]
        facts = ftso("train", str(cell), "--data", data, *options, "-o", str(Path(folder) / "run"))
    return {
        "kind": "training",
        "budget": budget,
        "cells": topology.cells,
        "seed": seed,
        "accuracy": facts["test_accuracy"],
        "seconds": facts["seconds"]["train"],
    }


def quarter(images: Path, folder: Path) -> str:
    """A folder that links to every fourth training image of each class, and to all test images."""
    for own in sorted((images / "train").iterdir()):
        (folder / "train" / own.name).mkdir(parents=True)
        for image in sorted(own.iterdir())[::4]:
            (folder / "train" / own.name / image.name).symlink_to(image.resolve())
    (folder / "test").symlink_to((images / "test").resolve())
    return str(folder)


def draws() -> list[Topology]:
    """The random wirings, always the same."""
    return [draw(random.Random(number), 4) for number in range(DRAWS)]


def topologies(records: Sequence[Record]) -> dict[str, list[Topology]]:
    """The wirings of each method, in the order of its searches."""
    found = {name: [topology] for name, topology in FIXED.items()}
    for method in (FORMER, *METHODS):
        own = sorted((each for each in records if each.get("method") == method), key=lambda each: int(each["number"]))
        found[method] = [_topology(each) for each in own]
    return found | {"random": draws()}


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
    found = topologies(records)
    wirings = list(dict.fromkeys(topology for name, own in found.items() if name != FORMER for topology in own))
    for budget in budgets:
        where = data.get(budget)
        for seed in TRAININGS[budget]:
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
    for name, budget, seeds in [*((name, name, seeds) for name, seeds in TRAININGS.items()), LOOK]:
        whole = {
            method: [own for each in wirings if len(own := _by_seed(accuracy, budget, each, seeds)) == len(seeds)]
            for method, wirings in found.items()
        }
        if whole["random"]:
            noise = _noise([own for rows in whole.values() for own in rows])
            facts[name] = {method: _compared(rows, whole["random"], noise) for method, rows in whole.items() if rows}
    facts["a quarter and all of cifar"] = _correlation(*_both(accuracy, found, "cifar, a quarter", "cifar"))
    facts["cifar and fashion"] = _correlation(*_both(accuracy, found, "cifar", "fashion"))
    return facts


def _seconds(records: Sequence[Record]) -> dict[str, float]:
    """The mean seconds of a search by each method, on one thread."""
    own = {method: [each["seconds"] for each in records if each.get("method") == method] for method in METHODS}
    return {method: round(fmean(seconds), 1) for method, seconds in own.items() if seconds}


def _by_seed(
    accuracy: dict[tuple[str, Topology, int], float], budget: str, topology: Topology, seeds: Sequence[int]
) -> tuple[float, ...]:
    keys = [(budget, topology, seed) for seed in seeds]
    return tuple(accuracy[key] for key in keys if key in accuracy)


def _noise(rows: Sequence[tuple[float, ...]]) -> float:
    """The deviation of one training from the mean of its wiring, seeds being as good for all as they are on average."""
    rows = list(dict.fromkeys(rows))
    columns = list(zip(*rows, strict=True))
    if min(len(rows), len(columns)) < 2:
        return 0.0
    shifts = [fmean(column) - fmean(map(fmean, rows)) for column in columns]
    squares = [(value - shift - fmean(row)) ** 2 for row in rows for value, shift in zip(row, shifts, strict=True)]
    return float((sum(squares) / (len(rows) - 1) / (len(columns) - 1)) ** 0.5)


def _compared(own: Sequence[tuple[float, ...]], drawn: Sequence[tuple[float, ...]], noise: float) -> dict[str, float]:
    """Mean and standard error, and the difference to random wirings in standard errors, the seeds being the same."""
    mean, among = (fmean(map(fmean, rows)) for rows in (own, drawn))
    both = (_error(own, noise) ** 2 + _error(drawn, noise) ** 2) ** 0.5
    return {
        "wirings": len(own),
        "different": len(set(own)),
        "mean": round(mean, 2),
        "error": round(_error(own, noise), 2),
        "over_random": round(mean - among, 2),
        "z": round((mean - among) / both, 1) if both else 0.0,
    }


def _error(rows: Sequence[tuple[float, ...]], noise: float) -> float:
    """The standard error of the mean: by the spread of the wirings, or by noise alone where that says more.

    A wiring that several searches found is trained once, so its noise counts as often as it was found.
    """
    means = [fmean(row) for row in rows]
    spread = stdev(means) / len(means) ** 0.5 if len(means) > 1 else 0.0
    again = sum((rows.count(row) / len(rows)) ** 2 for row in set(rows))
    return max(spread, noise * (again / len(rows[0])) ** 0.5)


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
        with tempfile.TemporaryDirectory() as folder:
            budgets = asked.budget or list(TRAININGS)
            data = {"cifar": asked.cifar} | ({"fashion": asked.fashion} if asked.fashion else {})
            if "cifar, a quarter" in budgets:
                data["cifar, a quarter"] = quarter(Path(asked.cifar), Path(folder))
            run(asked.records, data, budgets, asked.method or list(METHODS), asked.workers)
    facts = summary(read(asked.records))
    for name, rows in facts.items():
        print(name, file=sys.stderr)
        for key, value in rows.items():
            print(f"  {key:<22} {value}", file=sys.stderr)
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
