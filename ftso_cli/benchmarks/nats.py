"""NATS-Bench's table of the nats space: what each of its 15,625 cells reached, and where that stands among all.

A table is read once, from CSV or the benchmark's own records, ranked in one pass, and kept as packed records of equal
length, in the order of `architecture_index`: a query reads one of them, and needs neither numpy nor the rest.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from ftso_cli.spaces import NATS
from ftso_cli.spaces.nats import DATA_SETS, EDGES, OUTPUT

CELLS: int = len(NATS.operators) ** len(EDGES)
"""15,625: five operators on six edges."""

LIMIT = 64_000_000
"""Bytes of a file that holds a table, unpacked or not; as CSV it has two million."""

RECORD = struct.Struct("<i" + "dii" * len(DATA_SETS))
"""A cell: its row in the table, and for each data set its accuracy, its rank and the number of cells below it."""


@dataclass(frozen=True, kw_only=True)
class TableScore:
    """The score and rank of a cell on one data set: test accuracy in percent, after the benchmark's 200 epochs.

    `rank` is 1 for the best, and the same for equals; `below` counts the cells with a lower accuracy; `best` is the
    highest accuracy of any cell. Values are compared as the table has them: where means over seeds were rounded on
    the way, as in the CSV files in use, cells that tie can be some ranks apart.
    """

    accuracy: float
    rank: int
    below: int
    best: float

    @property
    def percentile(self) -> float:
        """The share of cells with a lower accuracy, in percent."""
        return 100 * self.below / CELLS

    @property
    def to_best(self) -> float:
        """Percentage points between this accuracy and the highest."""
        return self.best - self.accuracy


@dataclass(frozen=True, kw_only=True)
class TableEntry:
    """The entry of one cell in a table: its row, from 0, the benchmark's index, and its scores by data set."""

    index: int
    scores: Mapping[str, TableScore]


@dataclass(frozen=True, kw_only=True)
class Table:
    """A whole table. `summary` holds the statistics of each data set, see `ranking.summarise`."""

    summary: Mapping[str, Any]
    records: bytes

    def find(self, architecture: str) -> TableEntry:
        """Return the entry of the cell with this architecture string."""
        at = architecture_index(architecture) * RECORD.size
        index, *values = RECORD.unpack_from(self.records, at)
        scores = {
            name: TableScore(
                accuracy=values[3 * place],
                rank=values[3 * place + 1],
                below=values[3 * place + 2],
                best=self.summary["data_sets"][name]["best"],
            )
            for place, name in enumerate(DATA_SETS)
        }
        return TableEntry(index=index, scores=scores)


def architecture_index(architecture: str) -> int:
    """The place of a cell among all, 0 to 15,624: its six operators as digits, the first edge's the highest."""
    place = 0
    for entry in architecture.replace("+", "").strip("|").replace("||", "|").split("|"):
        place = place * len(NATS.operators) + NATS.operators.index(entry.split("~")[0])
    return place


def architectures() -> list[str]:
    """The architecture strings of all cells, in the order of `architecture_index`."""
    form = "+".join("|" + "".join(f"{{}}~{source}|" for source in range(node)) for node in range(1, OUTPUT + 1))
    return [form.format(*ops) for ops in product(NATS.operators, repeat=len(EDGES))]
