"""The study of topologies: which searches there are, what is trained of them, and with which seeds."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from records import Record

from ftso_cli.search.race.topologies import Topology, deepest, random_topology, widest

SEARCHES = 5

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
    "fashion": Budget(seeds=(2, 3), draws=10),
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
    "cifar, in pairs, three epochs": Pairs(seeds=range(20, 28), epochs=3),
}
"""The first was planned when two seeds a wiring had been found too few, the second to see whether it lasts."""


def drawn(number: int) -> Topology:
    """The random wiring of a number."""
    return random_topology(random.Random(number), 4)


def opponent(seed: int) -> Topology:
    """The random wiring that the widest is paired with."""
    return drawn(1000 + seed)


def topologies(records: Sequence[Record], draws: int) -> dict[str, list[Topology]]:
    """The wirings of each method, in the order of its searches, and so many random ones."""
    found = {name: [topology] for name, topology in FIXED.items()}
    for method in (FORMER, *METHODS):
        own = sorted((each for each in records if each.get("method") == method), key=lambda each: int(each["number"]))
        found[method] = [wiring(each) for each in own]
    return found | {"random": [drawn(number) for number in range(draws)]}


def wiring(record: Record) -> Topology:
    """The wiring of a record."""
    return Topology(tuple(tuple(tuple(sources) for sources in inputs) for inputs in record["cells"]))
