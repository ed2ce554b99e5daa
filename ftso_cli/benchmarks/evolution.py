"""Regularised evolution on a table (Real et al., 2019): the oldest of a population dies, a mutant is born.

Unlike the searches it is told what cells reach when they are trained. What that would cost without a table is its
number of queries: each stands for one training of 200 epochs.
"""

import random
from collections import deque
from collections.abc import Callable

from ftso_cli.benchmarks.nats import CELLS, architectures
from ftso_cli.errors import SettingsError
from ftso_cli.spaces import NATS
from ftso_cli.spaces.nats import EDGES

POPULATION = 10
SAMPLE = 3
"""Both as NAS-Bench-201 has them (Dong and Yang, 2020, section 5)."""


def evolve(reached: Callable[[str], float], *, queries: int, seed: int) -> str:
    """The architecture string of the best cell after asking `reached` so many times, for some cells again.

    Raises `SettingsError` for fewer queries than a population, or more than there are cells.
    """
    if not POPULATION <= queries <= CELLS:
        raise SettingsError(f"evolution takes {POPULATION} to {CELLS:,} queries, not {queries}")
    draw, texts = random.Random(seed), architectures()
    known: dict[int, float] = {}
    population: deque[int] = deque()

    def born(cell: int) -> None:
        known[cell] = reached(texts[cell])
        population.append(cell)

    for _ in range(POPULATION):
        born(draw.randrange(CELLS))
    for _ in range(queries - POPULATION):
        parent = max(draw.sample(list(population), SAMPLE), key=lambda cell: known[cell])
        born(_mutant(parent, draw))
        population.popleft()
    return texts[max(known, key=lambda cell: known[cell])]


def _mutant(cell: int, draw: random.Random) -> int:
    """A cell with another operator on one edge, any as likely; cells as in `nats.number`."""
    base = len(NATS.operators)
    place: int = base ** draw.randrange(len(EDGES))
    old = cell // place % base
    return cell + ((old + draw.randrange(1, base)) % base - old) * place
