"""The part of a page about a trained classifier: accuracy, classes, mistakes, confidence, advice."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

from ftso_cli.report.run.calibration import calibration_error, confidence_bins, reliability
from ftso_cli.report.run.trained import TrainedRun
from ftso_cli.report.run.wrong_images import WrongImage, wrong_images
from ftso_cli.training.testing.advice import Advice, Finished, advise
from ftso_cli.training.testing.answers import ImageAnswer
from ftso_cli.training.testing.class_scores import ClassScore, Confusion, Mistake

MOST_CLASSES = 2_000
"""Classes of a network whose answers a page shows."""

MOST_ROWS = 200
"""Classes of which a page has a line; of more, those of the lowest recall."""

LISTED, WORST = 30, 10
"""Classes up to which all of them are in sight; of more, so many of the lowest recall."""

MOST_SQUARES = 20
"""Classes whose confusion matrix is a table; that of more is a picture."""

WITH_SHARES = 12
"""Classes whose squares have the share of their class below the count."""

MISTAKES = 10
"""Kinds of mistakes that are told in words."""

INK = (0, 114, 178)
"""The colour of the picture of a confusion matrix, which holds on light and dark ground."""


@dataclass(frozen=True, kw_only=True)
class ClassRow:
    """A line of the table of classes: numbers as text, the recall in 0..1 for its bar."""

    name: str
    train: str
    val: str
    images: str
    precision: str
    recall: str
    interval: str
    f1: str


@dataclass(frozen=True, kw_only=True)
class Square:
    """A square of the confusion matrix: a count, its share of the class, and how strong its ground is, 0..1."""

    count: str
    share: str
    strength: float
    told: str
    right: bool


@dataclass(frozen=True, kw_only=True)
class ClassifierSection:
    """The results of a classifier, ready for the template."""

    images: str
    classes: int
    accuracy: str
    interval: str
    balanced: str
    baseline: str
    commonest: str
    rows: tuple[ClassRow, ...]
    worst: tuple[ClassRow, ...]
    with_parts: bool
    with_val: bool
    squares: tuple[tuple[str, tuple[Square, ...]], ...]
    with_shares: bool
    picture: str
    mistakes: tuple[dict[str, str], ...]
    wrong: tuple[WrongImage, ...]
    mistaken: str
    reliability: str
    calibration: str
    advice: tuple[Advice, ...]


def classifier(training: TrainedRun) -> ClassifierSection | None:
    """Return the results of a training's network on its test images; None where the run has no answers."""
    answers, result = training.answers, training.result
    if result is None or len(answers) != result.test_images or len(training.config.classes) > MOST_CLASSES:
        return None
    table = confusion_of(training.config.classes, answers)
    counts = training.counts
    bins = confidence_bins(answers)
    few = len(table.classes) <= MOST_SQUARES
    return ClassifierSection(
        images=f"{table.images:,}",
        classes=len(table.classes),
        accuracy=f"{table.accuracy:.2%}",
        interval=_interval(table.interval),
        balanced=f"{table.balanced_accuracy:.2%}",
        baseline=f"{table.baseline:.2%}",
        commonest=table.classes[table.commonest],
        rows=_rows(table, counts, MOST_ROWS),
        worst=_rows(table, counts, WORST) if len(table.classes) > LISTED else (),
        with_parts="train" in counts,
        with_val="val" in counts,
        squares=_squares(table) if few else (),
        with_shares=len(table.classes) <= WITH_SHARES,
        picture="" if few else _picture(table),
        mistakes=tuple(_mistake(table, one) for one in table.mistakes(MISTAKES)),
        wrong=wrong_images(training, answers),
        mistaken=f"{table.images - table.right:,}",
        reliability=reliability(bins),
        calibration=f"{calibration_error(bins):.3f}",
        advice=tuple(_advice(training, table, counts.get("train", ()))),
    )


def confusion_of(classes: Sequence[str], answers: Sequence[ImageAnswer]) -> Confusion:
    """The counts of answers by class."""
    counts = [[0] * len(classes) for _ in classes]
    for each in answers:
        counts[each.truth][each.answer] += 1
    return Confusion(classes=classes, counts=counts)


def _advice(training: TrainedRun, table: Confusion, trained: Sequence[int]) -> list[Advice]:
    return advise(
        Finished(
            folder=training.shown_folder,
            epochs=training.epochs,
            recipe=training.config.recipe,
            time=training.config.time,
            planned=bool(training.config.planned),
            table=table,
            trained=trained,
            answers=training.answers,
        )
    )


def _rows(table: Confusion, counts: dict[str, list[int]], most: int) -> tuple[ClassRow, ...]:
    """The lines of the classes; of more than `most`, those of the lowest recall."""
    shown = table.worst(most) if len(table.classes) > most else range(len(table.classes))
    return tuple(_row(table.scores[at], *(_count(counts, part, at) for part in ("train", "val"))) for at in shown)


def _row(score: ClassScore, train: str, val: str) -> ClassRow:
    return ClassRow(
        name=score.name,
        train=train,
        val=val,
        images=f"{score.images:,}",
        precision=_percent(score.precision),
        recall=_percent(score.recall),
        interval="–" if score.interval is None else _interval(score.interval),
        f1=_percent(score.f1),
    )


def _count(counts: dict[str, list[int]], part: str, at: int) -> str:
    return f"{counts[part][at]:,}" if part in counts else ""


def _squares(table: Confusion) -> tuple[tuple[str, tuple[Square, ...]], ...]:
    return tuple(
        (truth, tuple(_square(table, row, column) for column in range(len(table.classes))))
        for row, truth in enumerate(table.classes)
    )


def _square(table: Confusion, truth: int, answer: int) -> Square:
    count, images = table.counts[truth][answer], table.truths[truth]
    share = count / images if images else 0.0
    names = table.classes
    return Square(
        count=f"{count:,}",
        share=f"{share:.0%}" if len(names) <= WITH_SHARES else "",
        strength=round(share, 3),
        told=f"{count:,} of {images:,} {names[truth]} answered {names[answer]}, {share:.1%}",
        right=truth == answer,
    )


def _mistake(table: Confusion, one: Mistake) -> dict[str, str]:
    names = {"truth": table.classes[one.truth], "answer": table.classes[one.answer]}
    return names | {"count": f"{one.count:,}", "of": f"{one.of:,}"}


def _picture(table: Confusion) -> str:
    """The confusion matrix as a picture of a pixel a pair, as a data URI: the share of the class is the opacity."""
    from PIL import Image

    image = Image.new("RGBA", (len(table.classes), len(table.classes)), (*INK, 8))
    for truth, row in enumerate(table.counts):
        for answer, count in enumerate(row):
            if count:
                # A single mistake is to be seen, too.
                image.putpixel((answer, truth), (*INK, 40 + round(215 * count / table.truths[truth])))
    content = io.BytesIO()
    image.save(content, format="png", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(content.getvalue()).decode()}"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}"


def _interval(interval: tuple[float, float]) -> str:
    return f"{interval[0]:.1%} to {interval[1]:.1%}"
