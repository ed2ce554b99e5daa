"""Tables as CSV: the ways to write one, and damage, which is refused with the line."""

import gzip
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ftso_cli.benchmarks import text
from ftso_cli.benchmarks.nats import CELLS
from ftso_cli.errors import TableError
from tests.benchmarks.tables import HEADER, lines
from tests.benchmarks.tables import text as made_up

PATH = Path("table.csv")
LINE = 4712
"""The line that a test damages; the header is line 1."""


def changed(change: Callable[[str], str]) -> bytes:
    """The table with one line changed."""
    table = list(lines())
    table[LINE - 1] = change(table[LINE - 1])
    return "\n".join(table).encode()


def first_field(value: str) -> bytes:
    """The table with another accuracy on CIFAR-10 in one line."""
    return changed(lambda line: ",".join([value, *line.split(",")[1:]]))


def reordered() -> bytes:
    """The table with its columns the other way round and one more among them."""
    return "\n".join(f"{','.join(line.split(',')[::-1])},x" for line in lines()).encode()


@pytest.mark.parametrize(
    "content",
    [gzip.compress(made_up()), made_up().replace(b"\n", b"\r\n"), b"\xef\xbb\xbf" + made_up(), reordered()],
    ids=["gzipped", "of Windows", "with a mark", "other columns"],
)
def test_the_same_table_can_be_written_in_other_ways(content: bytes) -> None:
    assert text.read_text_table(PATH, content) == text.read_text_table(PATH, made_up())


DAMAGED = {
    "nothing": (b"", "line 1: has no columns ArchitectureString; a table has each of "),
    "another header": (
        made_up().replace(b"CIFAR100", b"CIFAR10"),
        "line 1: has 2 columns CIFAR10TestAccuracy200Epochs",
    ),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(99), "line 1: is no text (UTF-8)"),
    "not a number": (
        first_field("nan"),
        "line 4712: CIFAR10TestAccuracy200Epochs is 'nan', and an accuracy is a number",
    ),
    "infinity": (first_field("inf"), "line 4712: CIFAR10TestAccuracy200Epochs is 'inf'"),
    "more than all": (first_field("100.01"), "line 4712: CIFAR10TestAccuracy200Epochs is '100.01'"),
    "less than none": (first_field("-0.5"), "line 4712: CIFAR10TestAccuracy200Epochs is '-0.5'"),
    "a word": (first_field("high"), "line 4712: CIFAR10TestAccuracy200Epochs is 'high'"),
    "an empty field": (first_field(""), "line 4712: CIFAR10TestAccuracy200Epochs is ''"),
    "a field too few": (changed(lambda line: line.split(",", 1)[1]), "line 4712: has 3 fields, and the header 4"),
    "a field too many": (changed(lambda line: f"{line},1"), "line 4712: has 5 fields, and the header 4"),
    "an empty line": (changed(lambda line: ""), "line 4712: has 0 fields, and the header 4"),
    "another operator": (
        changed(lambda line: line.rsplit(",", 1)[0] + ",|zero~0|"),
        "line 4712: ArchitectureString is '|zero~0|', which is no cell of the nats space",
    ),
    "a cell twice": (changed(lambda line: lines()[16]), "stands in line 17 already"),
    "a cell missing": (
        "\n".join(lines()[: LINE - 1] + lines()[LINE:]).encode(),
        "ends at line 15625 with 15,624 of 15,625 cells; |",
    ),
    "half a table": ("\n".join(lines()[:8000]).encode(), "ends at line 8000 with 7,999 of 15,625 cells; |none~0|+|"),
    "the header alone": (HEADER.encode(), "ends at line 1 with 0 of 15,625 cells; |none~0|+|none~0|none~1|+|none~0|"),
    "a cut gzip file": (gzip.compress(made_up())[:5000], "damaged gzip file (Compressed file ended before"),
    "a changed gzip file": (gzip.compress(made_up())[:5000] + b"0" * 99_999, "damaged gzip file ("),
    "a bomb": (gzip.compress(bytes(70_000_000)), "larger than 64 MB unpacked, which no table is"),
    "an open quote": (changed(lambda line: '"' + line), "line "),
    "a null byte": (changed(lambda line: "\0" + line), "line 4712: CIFAR10TestAccuracy200Epochs is '\\x00"),
}


@pytest.mark.parametrize(("content", "reason"), DAMAGED.values(), ids=DAMAGED.keys())
def test_a_damaged_table_is_refused_with_the_line(content: bytes, reason: str) -> None:
    started = time.process_time()
    with pytest.raises(TableError) as caught:
        text.read_text_table(PATH, content)
    assert time.process_time() - started < 60
    assert str(caught.value).startswith("table.csv: ")
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_the_lines_are_counted_as_an_editor_does() -> None:
    assert len(lines()) == CELLS + 1
    assert HEADER.startswith("CIFAR10TestAccuracy200Epochs,CIFAR100TestAccuracy200Epochs,ImageNetTestAccuracy200Epochs")


@pytest.mark.parametrize("column", [0, 1, 2])
def test_fractions_are_refused_as_no_percentages(column: int) -> None:
    def scaled(line: str) -> str:
        fields = line.split(",")
        fields[column] = repr(float(fields[column]) / 100)
        return ",".join(fields)

    header, *rows = lines()
    content = "\n".join([header, *map(scaled, rows)]).encode()
    with pytest.raises(TableError, match=r"Test\w+ is at most 0\.\d+, so these are fractions"):
        text.read_text_table(PATH, content)
