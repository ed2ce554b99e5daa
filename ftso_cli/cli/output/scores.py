"""The scores of a network in the terminal: accuracy, a table of the classes, mistakes, confusion."""

from collections.abc import Sequence
from string import ascii_uppercase
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len

from ftso_cli.cli.console import aligned, clipped, note, say

if TYPE_CHECKING:
    from ftso_cli.training.testing.advice import Advice
    from ftso_cli.training.testing.class_scores import ClassScore, Confusion
    from ftso_cli.training.testing.evaluate import Score

WIDTH = 80
"""Columns of a terminal that everything fits into."""

NAME = 24
"""Columns of the name of a class."""

LEAST_NAME = 6
"""Columns of a name that stay, whatever the numbers need."""

MOST_LISTED = 20
"""Classes that are all listed; of more, the `WORST`."""

WORST = 10

MOST_SQUARES = 10
"""Classes whose confusion matrix is shown."""

MISTAKES = 5
"""Kinds of mistakes that are told in words."""

HEADINGS = ("class", "images", "precision", "recall", "95 % interval", "F1")


def print_score(score: "Score", rest: str) -> None:
    """Say how a network does on the test images; `rest` is where all of it is, of many classes."""
    table = score.by_class
    low, high = table.interval
    say(f"test accuracy {score.accuracy:.2%} on {score.share}; 95 % interval {low:.1%} to {high:.1%}")
    top5 = f", top-5 {score.top5:.2%}" if len(score.classes) > 5 else ""
    say(f"balanced accuracy {table.balanced_accuracy:.2%}{top5}, loss {score.loss:.4f}")
    say(f"always answering {clipped(table.classes[table.commonest], NAME)} would be {table.baseline:.2%}")
    say("", *_classes(table))
    if len(table.classes) > MOST_LISTED:
        note(f"the {WORST} classes of the lowest recall, of {len(table.classes):,}; all of them: {rest}")
    if mistakes := _mistakes(table):
        say("", *mistakes)
    if len(table.classes) <= MOST_SQUARES:
        say("", "confusion: a row is a true class, a column an answer", *_matrix(table))


def print_advice(found: Sequence["Advice"]) -> None:
    """Say what may help, with the commands that do it."""
    for at, advice in enumerate(found):
        lines = wrap(f"- {advice.text}", WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
        say(*(["", "what may help"] if at == 0 else []), *lines)
        if advice.command:
            say(f"    {advice.command}")


def score_facts(score: "Score") -> dict[str, Any]:
    """The same for --json."""
    table = score.by_class
    return {
        "test_accuracy": score.accuracy,
        "accuracy_interval": table.interval,
        "balanced_accuracy": table.balanced_accuracy,
        "baseline_accuracy": table.baseline,
        "top5_accuracy": score.top5,
        "test_loss": score.loss,
        "classes": [_facts(one) for one in table.scores],
        "mistakes": [
            {"truth": table.classes[one.truth], "answer": table.classes[one.answer], "images": one.count, "of": one.of}
            for one in table.mistakes(WORST)
        ],
        "confusion": table.counts,
    }


def _facts(one: "ClassScore") -> dict[str, Any]:
    return {
        "class": one.name,
        "images": one.images,
        "precision": one.precision,
        "recall": one.recall,
        "recall_interval": one.interval,
        "f1": one.f1,
    }


def _classes(table: "Confusion") -> list[str]:
    """The table of the classes; of many, those of the lowest recall."""
    many = len(table.classes) > MOST_LISTED
    shown = [table.scores[at] for at in table.worst(WORST)] if many else table.scores
    return aligned([HEADINGS, *map(_row, shown)], (True, *[False] * 5), "  ")


def _row(one: "ClassScore") -> tuple[str, ...]:
    interval = "-" if one.interval is None else f"{one.interval[0]:.1%} to {one.interval[1]:.1%}"
    shares = [_percent(share) for share in (one.precision, one.recall)]
    return clipped(one.name, NAME), f"{one.images:,}", *shares, interval, _percent(one.f1)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _mistakes(table: "Confusion") -> list[str]:
    """The commonest mistakes in words."""
    rows = []
    for one in table.mistakes(MISTAKES):
        truth, answer = (clipped(table.classes[at], NAME) for at in (one.truth, one.answer))
        rows.append((f"{one.count:,} of {one.of:,}", f"{truth} taken for {answer}"))
    return aligned(rows, (False, True), "  ") if rows else []


def _matrix(table: "Confusion") -> list[str]:
    """The confusion matrix; where the names leave no room, letters stand for them above the columns."""
    names = [clipped(name, NAME) for name in table.classes]
    counts = [[f"{count:,}" for count in row] for row in table.counts]
    left = (True, *[False] * len(names))
    lines = aligned([["", *names], *([name, *row] for name, row in zip(names, counts, strict=True))], left, "  ")
    if max(map(cell_len, lines)) <= WIDTH:
        return lines
    letters = ascii_uppercase[: len(names)]
    room = WIDTH - sum(1 + max(map(len, column)) for column in zip(*counts, strict=True))
    heads = [
        f"{letter} {clipped(name, max(LEAST_NAME, room - 2))}" for letter, name in zip(letters, names, strict=True)
    ]
    return aligned([["", *letters], *([head, *row] for head, row in zip(heads, counts, strict=True))], left, " ")
