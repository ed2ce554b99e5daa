"""answers.csv in a run folder: what the network answers for each test image. No torch here, for reports read it."""

import csv
import io
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ftso_cli.errors import RunError, short
from ftso_cli.files import read_bytes, write_inside
from ftso_cli.texts import csv_cell, csv_table

if TYPE_CHECKING:
    from ftso_cli.training.run import Run

COLUMNS = ("image", "truth", "answer", "confidence", "truth_probability")

LIMIT = 32_000_000
"""Bytes of answers.csv; that of ImageNet's 50,000 test images has 4 million."""

MOST_ANSWERS = 500_000
"""Lines of answers.csv that are read."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageAnswer:
    """The answer of a network for a test image; classes by their numbers, probabilities in 0..1.

    `image` is the name of the file below the folder of the data set, or the number of the image in a set without files.
    """

    image: str
    truth: int
    answer: int
    confidence: float
    truth_probability: float


def class_cells(classes: Sequence[str]) -> list[str]:
    """Return the names of classes as cells of a table; those that look alike there have their number behind them."""
    cells = list(map(csv_cell, classes))
    times = Counter(cells)
    return [cell if times[cell] == 1 else f"{cell} ({number})" for number, cell in enumerate(cells)]


def write_answers(run: "Run", classes: Sequence[str], answers: Sequence[ImageAnswer]) -> None:
    """Replace answers.csv by these answers, the probabilities to six digits."""
    cells = class_cells(classes)
    rows = [
        (each.image, cells[each.truth], cells[each.answer], f"{each.confidence:.6f}", f"{each.truth_probability:.6f}")
        for each in answers
    ]
    write_inside(run.answers_file, csv_table([COLUMNS, *rows]).encode())


def read_answers(run: "Run", classes: Sequence[str]) -> tuple[ImageAnswer, ...]:
    """The answers of a run; none where it has no answers.csv. Raises `RunError` where that holds anything else."""
    if not run.answers_file.is_file():
        return ()
    numbers = {cell: number for number, cell in enumerate(class_cells(classes))}
    found: list[ImageAnswer] = []
    try:
        text = io.StringIO(read_bytes(run.answers_file, limit=LIMIT).decode())
        rows = csv.DictReader(text, strict=True)
        if tuple(rows.fieldnames or ()) != COLUMNS:
            raise ValueError(f"its columns are not {', '.join(COLUMNS)}")
        for row in rows:
            found.append(_answer(row, numbers))
            if len(found) > MOST_ANSWERS:
                raise ValueError(f"more than {MOST_ANSWERS:,} lines")
    except (ValueError, csv.Error) as error:
        raise RunError(f"{run.answers_file}: line {len(found) + 2}: no answers of this run ({error})") from None
    return tuple(found)


def _answer(row: Mapping[str | None, str | None], numbers: Mapping[str, int]) -> ImageAnswer:
    """The answer in a line; raises `ValueError` where it is none."""
    image, truth, answer, confidence, probability = (row[name] or "" for name in COLUMNS)
    if None in row or not image:
        raise ValueError(f"not {len(COLUMNS)} cells")
    for name in (truth, answer):
        if name not in numbers:
            raise ValueError(f"{short(name)} is no class of it")
    return ImageAnswer(
        image=image,
        truth=numbers[truth],
        answer=numbers[answer],
        confidence=_share(confidence),
        truth_probability=_share(probability),
    )


def _share(text: str) -> float:
    value = float(text)
    if not (math.isfinite(value) and 0 <= value <= 1):
        raise ValueError(f"{short(text)} is no probability")
    return value
