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
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from records import Record, add, read
from scipy.stats import pearsonr, spearmanr, ttest_rel

from ftso_cli.genotype import storage
from ftso_cli.genotype.edit import prune
from ftso_cli.search.topologies import Topology, deepest, draw, topology_of, widest
from ftso_cli.spaces import DARTS

RECORDS = Path(__file__).parent / "records" / "topologies.jsonl"
SEARCHES = 5
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


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Trainings of one epoch each: the seeds, and how many random wirings there are among the trained."""

    seeds: Sequence[int]
    draws: int


BUDGETS = {
    "cifar": Budget(seeds=(2, 3), draws=10),
    "cifar, a quarter": Budget(seeds=(0,), draws=20),
    "fashion": Budget(seeds=(2,), draws=10),
}
"""By the images of which every training sees each once.

Seeds 0 and 1 of `cifar` were a first look, after which the race was changed; the comparison has fresh ones.
"""
LOOK = Budget(seeds=(0, 1), draws=20)


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Trainings of the widest wiring, which all races found, each beside a fresh random wiring with the same seed.

    A test for one question: its seeds and their number were fixed before, and neither they nor the random wirings had
    been trained.
    """

    seeds: range
    epochs: int


PAIRS = {
    "cifar, in pairs": Pairs(seeds=range(10, 20), epochs=1),
    "cifar, in pairs, five epochs": Pairs(seeds=range(20, 26), epochs=5),
}
"""The first was planned when two seeds a wiring had been found too few, the second to see whether it lasts."""


Accuracies = dict[tuple[str, Topology, int], float]
"""Percent of the test images, by budget, wiring and seed."""


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
    epochs = PAIRS[budget].epochs if budget in PAIRS else 1
    with tempfile.TemporaryDirectory() as folder:
        cell = Path(folder) / "cell.json"
        storage.write(topology.genotype(DARTS.usual), cell)
        options = [*NETWORK, "--epochs", str(epochs), "--seed", str(seed)]
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


def drawn(number: int) -> Topology:
    """The random wiring of a number."""
    return draw(random.Random(number), 4)


def opponent(seed: int) -> Topology:
    """The random wiring that the widest is paired with."""
    return drawn(1000 + seed)


def topologies(records: Sequence[Record], draws: int) -> dict[str, list[Topology]]:
    """The wirings of each method, in the order of its searches, and so many random ones."""
    found = {name: [topology] for name, topology in FIXED.items()}
    for method in (FORMER, *METHODS):
        own = sorted((each for each in records if each.get("method") == method), key=lambda each: int(each["number"]))
        found[method] = [_topology(each) for each in own]
    return found | {"random": [drawn(number) for number in range(draws)]}


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
    for budget in budgets:
        where = data.get(budget)
        for topology, seed in wanted(records, budget):
            if where and (budget, topology, seed) not in trainings:
                yield partial(trained, topology, budget, seed, where)


def wanted(records: Sequence[Record], budget: str) -> list[tuple[Topology, int]]:
    """The trainings of a budget, for the searches that are done."""
    if budget in PAIRS:
        return [pair for seed in PAIRS[budget].seeds for pair in ((FIXED["wide"], seed), (opponent(seed), seed))]
    found = topologies(records, BUDGETS[budget].draws)
    wirings = list(dict.fromkeys(topology for name, own in found.items() if name != FORMER for topology in own))
    return [(topology, seed) for seed in BUDGETS[budget].seeds for topology in wirings]


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
    facts: dict[str, Any] = {"searches": _seconds(records), "agreement of two searches": _agreements(records)}
    budgets = [*((name, name, budget) for name, budget in BUDGETS.items()), ("cifar, a first look", "cifar", LOOK)]
    for name, own, budget in budgets:
        if rows := _table(accuracy, topologies(records, budget.draws), own, budget.seeds):
            facts[name] = rows
    facts |= {name: _paired(accuracy, name) for name in PAIRS}
    found = topologies(records, LOOK.draws)
    facts["a quarter and all of cifar"] = _correlation(accuracy, found, ("cifar, a quarter", (0,)), ("cifar", (0,)))
    facts["cifar and fashion"] = _correlation(accuracy, found, ("cifar", (2, 3)), ("fashion", (2,)))
    return facts


def _table(
    accuracy: Accuracies, found: dict[str, list[Topology]], budget: str, seeds: Sequence[int]
) -> dict[str, dict[str, float]]:
    """Each method beside the random wirings, of the wirings that were trained with all seeds; empty without those."""
    whole = {
        method: [own for each in wirings if len(own := _by_seed(accuracy, budget, each, seeds)) == len(seeds)]
        for method, wirings in found.items()
    }
    if not whole["random"]:
        return {}
    noise = _noise([own for rows in whole.values() for own in rows])
    return {method: _compared(rows, whole["random"], noise) for method, rows in whole.items() if rows}


def _paired(accuracy: Accuracies, name: str) -> dict[str, float]:
    """The widest wiring less a random one, seed by seed: mean, standard error, t and its two-sided p."""
    both = [((name, FIXED["wide"], seed), (name, opponent(seed), seed)) for seed in PAIRS[name].seeds]
    pairs = [(accuracy[one], accuracy[other]) for one, other in both if one in accuracy and other in accuracy]
    if len(pairs) < 2:
        return {"pairs": len(pairs)}
    wide, other = zip(*pairs, strict=True)
    test = ttest_rel(wide, other)
    differences = [one - another for one, another in pairs]
    return {
        "pairs": len(pairs),
        "wide": round(fmean(wide), 2),
        "random": round(fmean(other), 2),
        "difference": round(fmean(differences), 2),
        "error": round(stdev(differences) / len(pairs) ** 0.5, 2),
        "t": round(float(test.statistic), 2),
        "p": round(float(test.pvalue), 4),
    }


def _agreements(records: Sequence[Record]) -> dict[str, dict[str, float]]:
    """The share of edges that two searches of a method have in common, over all pairs, for each kind of cell."""
    found = topologies(records, 0)
    return {
        method: {
            kind: round(fmean(_shared(one.cells[at], two.cells[at]) for one, two in combinations(wirings, 2)), 3)
            for at, kind in enumerate(DARTS.kinds)
        }
        for method in METHODS
        if len(wirings := found[method]) > 1
    }


def _shared(one: Sequence[Sequence[int]], two: Sequence[Sequence[int]]) -> float:
    return fmean(len(set(a) & set(b)) / len(a) for a, b in zip(one, two, strict=True))


def _seconds(records: Sequence[Record]) -> dict[str, float]:
    """The mean seconds of a search by each method, on one thread."""
    own = {method: [each["seconds"] for each in records if each.get("method") == method] for method in METHODS}
    return {method: round(fmean(seconds), 1) for method, seconds in own.items() if seconds}


def _by_seed(accuracy: Accuracies, budget: str, topology: Topology, seeds: Sequence[int]) -> tuple[float, ...]:
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
    """Mean and standard error, and the difference to random wirings in standard errors, the seeds being the same.

    Of one wiring with one seed no error is known, so that `error` and `z` are left out.
    """
    mean, among = (fmean(map(fmean, rows)) for rows in (own, drawn))
    error, other = _error(own, noise), _error(drawn, noise)
    facts = {"wirings": len(own), "different": len(set(own)), "mean": round(mean, 2)}
    known = {"error": round(error, 2), "z": round((mean - among) / (error**2 + other**2) ** 0.5, 1)} if error else {}
    return facts | {"over_random": round(mean - among, 2)} | known


def _error(rows: Sequence[tuple[float, ...]], noise: float) -> float:
    """The standard error of the mean: by the spread of the wirings, or by noise alone where that says more.

    A wiring that several searches found is trained once, so its noise counts as often as it was found.
    """
    means = [fmean(row) for row in rows]
    spread = stdev(means) / len(means) ** 0.5 if len(means) > 1 else 0.0
    again = sum((rows.count(row) / len(rows)) ** 2 for row in set(rows))
    return max(spread, noise * (again / len(rows[0])) ** 0.5)


def _correlation(
    accuracy: Accuracies,
    found: dict[str, list[Topology]],
    one: tuple[str, Sequence[int]],
    other: tuple[str, Sequence[int]],
) -> dict[str, float]:
    """How the accuracies under two budgets, means over the seeds of each, go together over all wirings of both."""
    both = [
        (fmean(first), fmean(second))
        for each in dict.fromkeys(each for wirings in found.values() for each in wirings)
        if len(first := _by_seed(accuracy, one[0], each, one[1])) == len(one[1])
        and len(second := _by_seed(accuracy, other[0], each, other[1])) == len(other[1])
    ]
    if len(both) < 3:
        return {"wirings": len(both)}
    short, long = zip(*both, strict=True)
    pearson, spearman = pearsonr(short, long), spearmanr(short, long)
    return {
        "wirings": len(both),
        "pearson": round(float(pearson[0]), 3),
        "pearson_p": round(float(pearson[1]), 4),
        "spearman": round(float(spearman[0]), 3),
        "spearman_p": round(float(spearman[1]), 4),
    }


def main() -> None:
    """Runs what is missing, and prints the tables of all records."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cifar", help="a folder of CIFAR-10 images; without it nothing is run")
    parser.add_argument("--fashion", help="the Fashion-MNIST images")
    parser.add_argument("--budget", action="append", choices=[*BUDGETS, *PAIRS], help="may be repeated; default: all")
    parser.add_argument("--method", action="append", choices=list(METHODS), help="may be repeated; default: all")
    parser.add_argument("--records", type=Path, default=RECORDS)
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    if asked.cifar:
        with tempfile.TemporaryDirectory() as folder:
            budgets = asked.budget or [*BUDGETS, *PAIRS]
            data = dict.fromkeys(("cifar", *PAIRS), asked.cifar) | ({"fashion": asked.fashion} if asked.fashion else {})
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
