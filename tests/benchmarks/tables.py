"""A whole table that no file is needed for, with ties, and the published one where it stands beside the checkout."""

from functools import cache
from pathlib import Path

from ftso_cli.benchmarks.nats import architectures
from ftso_cli.benchmarks.text import COLUMNS, STRING

PUBLISHED = Path(__file__).parents[3] / "shared" / "data" / "nats_bench_tss_200ep.csv.gz"

HEADER = ",".join((*COLUMNS, STRING))


def accuracies(number: int) -> tuple[float, float, float]:
    """Made-up accuracies of a cell, each shared by several cells."""
    return (number * 7919 % 5003) / 51, (number * 104_729 % 4001) / 41, (number * 1_299_709 % 3001) / 61


@cache
def lines() -> tuple[str, ...]:
    """The lines of the table, the header first; cell k of the space stands in row 15,624 - k."""
    rows = (f"{a!r},{b!r},{c!r},{text}" for text, (a, b, c) in _cells())
    return (HEADER, *reversed(list(rows)))


def _cells() -> list[tuple[str, tuple[float, float, float]]]:
    return [(text, accuracies(number)) for number, text in enumerate(architectures())]


def text() -> bytes:
    """The table as CSV."""
    return "\n".join((*lines(), "")).encode()
