"""Does a topology search beat a draw? Searches and fixed wirings, each trained from scratch, compared in pairs.

Every search and every training is a command of `ftso` in a process of its own, on one thread; what it says becomes
one line of the records. A run that was cut off goes on where its records end. Tables go to stderr, one JSON line to
stdout.

    python benchmarks/topologies.py --cifar DIR --fashion fashion-mnist --workers 2     # many hours on two cores
    python benchmarks/topologies.py                                                   # the tables of the records
    python benchmarks/topologies.py --figure docs/images/topologies.svg
    python benchmarks/topologies.py --op conv_3x3 --method race --budget "cifar, in pairs" --cifar DIR
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from commands import ftso
from records import Record, add, read
from topology_figure import draw
from topology_study import BUDGETS, FIXED, FORMER, METHODS, PAIRS, SEARCHES, opponent, topologies, wiring
from topology_tables import summary

from ftso_cli.genotype import storage
from ftso_cli.genotype.edit import keep_strongest
from ftso_cli.search.race.topologies import Topology, topology_of
from ftso_cli.spaces import DARTS

RECORDS = Path(__file__).parent / "records"
NETWORK = ["--channels", "8", "--cells", "5", "--batch-size", "64", "--image-size", "16", "--drop-path", "0"]


def searched(method: str, number: int, op: str, data: str) -> Record:
    """A search: the wiring that it found, and its seconds on one thread. A race trains it with `op` on every edge."""
    with tempfile.TemporaryDirectory() as folder:
        cell = Path(folder) / "cell.json"
        options = METHODS[method](number) + (["--op", op] if method == "race" else [])
        facts = ftso("search-topology", "--data", data, *options, "--workers", "1", "-o", str(cell))
        found = storage.read_genotype(cell)
    if found.stage == "searched":
        found, _ = keep_strongest(found)
    return {
        "kind": "search",
        "method": method,
        "number": number,
        "cells": topology_of(found).cells,
        "seconds": facts["seconds"]["search"],
    }


def trained(topology: Topology, budget: str, seed: int, op: str, data: str) -> Record:
    """A training from scratch with `op` on every edge: the test accuracy after it, and seconds on one thread."""
    epochs = PAIRS[budget].epochs if budget in PAIRS else 1
    with tempfile.TemporaryDirectory() as folder:
        cell = Path(folder) / "cell.json"
        storage.write_genotype(topology.genotype(op), cell)
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


def missing(
    records: Sequence[Record], data: dict[str, str], budgets: Sequence[str], methods: Sequence[str], op: str
) -> Iterator[partial[Record]]:
    """What is still to be run, as far as is known: trainings of a search follow when it is done."""
    searches = {(each["method"], each["number"]) for each in records if each["kind"] == "search"}
    trainings = {(each["budget"], wiring(each), each["seed"]) for each in records if each["kind"] == "training"}
    for number in range(SEARCHES):
        for method in methods:
            if (method, number) not in searches:
                yield partial(searched, method, number, op, data["cifar"])
    for budget in budgets:
        where = data.get(budget)
        for topology, seed in wanted(records, budget):
            if where and (budget, topology, seed) not in trainings:
                yield partial(trained, topology, budget, seed, op, where)


def wanted(records: Sequence[Record], budget: str) -> list[tuple[Topology, int]]:
    """The trainings of a budget, for the searches that are done."""
    if budget in PAIRS:
        return [pair for seed in PAIRS[budget].seeds for pair in ((FIXED["wide"], seed), (opponent(seed), seed))]
    found = topologies(records, BUDGETS[budget].draws)
    wirings = list(dict.fromkeys(topology for name, own in found.items() if name != FORMER for topology in own))
    return [(topology, seed) for seed in BUDGETS[budget].seeds for topology in wirings]


def run(asked: argparse.Namespace, path: Path, data: dict[str, str], budgets: Sequence[str]) -> None:
    """Runs what is missing; searches first, for their wirings have to be trained too."""
    methods = asked.method or list(METHODS)
    path.parent.mkdir(exist_ok=True)
    while work := list(missing(read(path), data, budgets, methods, asked.op)):
        add(path, work, ThreadPoolExecutor(asked.workers), str)


def main() -> None:
    """Runs what is missing, and prints the tables of all records."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cifar", help="a folder of CIFAR-10 images; without it nothing is run")
    parser.add_argument("--fashion", help="the Fashion-MNIST images")
    parser.add_argument("--budget", action="append", choices=[*BUDGETS, *PAIRS], help="may be repeated; default: all")
    parser.add_argument("--method", action="append", choices=list(METHODS), help="may be repeated; default: all")
    parser.add_argument("--op", default=DARTS.default_operator, help="on every edge (default: %(default)s)")
    parser.add_argument("--records", type=Path, help="default: those of the operator")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--figure", type=Path, help="also draws the records, as svg, png or pdf")
    asked = parser.parse_args()
    name = "topologies" if asked.op == DARTS.default_operator else f"topologies-{asked.op}"
    path = asked.records or RECORDS / f"{name}.jsonl"
    if asked.cifar:
        with tempfile.TemporaryDirectory() as folder:
            budgets = asked.budget or [*BUDGETS, *PAIRS]
            data = dict.fromkeys(("cifar", *PAIRS), asked.cifar) | ({"fashion": asked.fashion} if asked.fashion else {})
            if "cifar, a quarter" in budgets:
                data["cifar, a quarter"] = quarter(Path(asked.cifar), Path(folder))
            run(asked, path, data, budgets)
    records = read(path)
    if asked.figure:
        draw(records, asked.figure)
    facts = summary(records)
    for name, rows in facts.items():
        print(name, file=sys.stderr)
        for key, value in rows.items():
            print(f"  {key:<22} {value}", file=sys.stderr)
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
