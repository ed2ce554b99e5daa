"""A table as CSV, plain or gzipped: a header, then a line for each of the 15,625 cells, in any order.

Nothing doubtful is let in: a line that is damaged, a cell that stands there twice or not at all is refused by line.
"""

import csv
import gzip
import io
import math
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ftso_cli.benchmarks.nats import CELLS, LIMIT, Table, architectures
from ftso_cli.benchmarks.ranking import ranked
from ftso_cli.errors import TableError, short

STRING = "ArchitectureString"

COLUMNS = ("CIFAR10TestAccuracy200Epochs", "CIFAR100TestAccuracy200Epochs", "ImageNetTestAccuracy200Epochs")
"""Test accuracies in percent, in the order of the space's data sets; other columns are passed over."""

GZIP = b"\x1f\x8b"


def read_text_table(path: Path, content: bytes) -> Table:
    """The table in the content of the file `path`; raises `TableError` with the line that is wrong."""
    lines = csv.reader(io.StringIO(_text(path, content), newline=""))
    rows = np.full(CELLS, -1)
    accuracies = np.empty((CELLS, len(COLUMNS)))
    numbers = {architecture: number for number, architecture in enumerate(architectures())}
    seen: dict[int, int] = {}
    try:
        for row, (line, architecture, values) in enumerate(_rows(lines)):
            if (number := numbers.get(architecture)) is None:
                raise _Wrong(line, f"{STRING} is {short(architecture)}, which is no cell of the nats space")
            if number in seen:
                raise _Wrong(line, f"{architecture} stands in line {seen[number]} already")
            seen[number] = line
            rows[number], accuracies[number] = row, values
    except csv.Error as error:
        raise TableError(f"{path}: line {lines.line_num}: is no CSV ({error})") from None
    except _Wrong as wrong:
        raise TableError(f"{path}: line {wrong.line}: {wrong}") from None
    if len(seen) < CELLS:
        missing = next(architecture for architecture, number in numbers.items() if number not in seen)
        found = f"ends at line {lines.line_num} with {len(seen):,} of {CELLS:,} cells"
        raise TableError(f"{path}: {found}; {missing} is missing, for one")
    for name, most in zip(COLUMNS, accuracies.max(axis=0), strict=True):
        if most <= 1:
            raise TableError(f"{path}: {name} is at most {most:g}, so these are fractions; a table has them in percent")
    return ranked(rows, accuracies)


class _Wrong(Exception):
    """The error of a line."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line


def _rows(lines: Any) -> Iterator[tuple[int, str, list[float]]]:
    """Line number, architecture string and accuracies of every row of a `csv.reader`."""
    header: list[str] = next(lines, [])
    for name in (STRING, *COLUMNS):
        if header.count(name) != 1:
            columns = ", ".join((*COLUMNS, STRING))
            raise _Wrong(1, f"has {header.count(name) or 'no'} columns {name}; a table has each of {columns} once")
    string, *places = (header.index(name) for name in (STRING, *COLUMNS))
    for fields in lines:
        if len(fields) != len(header):
            raise _Wrong(lines.line_num, f"has {len(fields)} fields, and the header {len(header)}")
        yield lines.line_num, fields[string], [_accuracy(lines.line_num, fields, header, place) for place in places]


def _accuracy(line: int, fields: Sequence[str], header: Sequence[str], place: int) -> float:
    try:
        value = float(fields[place])
    except ValueError:
        value = math.nan
    if not 0 <= value <= 100:
        raise _Wrong(line, f"{header[place]} is {short(fields[place])}, and an accuracy is a number from 0 to 100")
    return value


def _text(path: Path, content: bytes) -> str:
    if content.startswith(GZIP):
        try:
            with gzip.open(io.BytesIO(content)) as file:
                content = file.read(LIMIT + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise TableError(f"{path}: damaged gzip file ({error})") from None
    if len(content) > LIMIT:
        raise TableError(f"{path}: larger than {LIMIT // 1_000_000} MB unpacked, which no table is")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise TableError(f"{path}: line {line}: is no text (UTF-8)") from None
