"""Advice that follows from a finished training: its curves, mistakes and settings. No torch: reports give it, too."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ftso_cli.errors import short
from ftso_cli.files import RUN_CONFIG
from ftso_cli.settings.recipes import AUTO, Recipe
from ftso_cli.shell import command_line
from ftso_cli.training.run import Epoch
from ftso_cli.training.testing.answers import ImageAnswer
from ftso_cli.training.testing.class_scores import Confusion

MOST = 3
"""Pieces of advice that are given."""

RISE = 0.01
"""Accuracy that the last fifth of the epochs gains on the fifth before, where it is still rising."""

GAP = 0.1
"""The gap of training over validation accuracy from which a network overfits."""

LOW = 0.8
"""Accuracy in training below which the network is too small, or trained for too short a time."""

BEHIND = 0.1
"""The certain distance of a recall below the mean of the classes from which it is reported."""

RARE = 0.5
"""Share of the images of the commonest class below which a class is rare."""

CONFUSED = 0.1
"""Share of two classes that are taken for each other, in both directions, where it is told."""

WIDE = 0.1
"""Width of the interval of the accuracy above which more test images are asked for."""

NAMED = 3
"""Classes, or images, that a piece of advice names."""

CLASS_WIDTH = 40
"""Characters of the name of a class."""


@dataclass(frozen=True, kw_only=True)
class Advice:
    """Advice in a sentence, and the command that does it; "" where none does."""

    text: str
    command: str = ""


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A finished training: its run folder, epochs, settings, counts and answers of the test images.

    `trained` are the training images of each class, empty where that is not known; `time` are the seconds that the
    training was given, where these decided its epochs; `planned` tells that its network was chosen, too.
    """

    folder: Path
    epochs: Sequence[Epoch]
    recipe: Recipe
    table: Confusion
    trained: Sequence[int] = ()
    answers: Sequence[ImageAnswer] = ()
    time: float | None = None
    planned: bool = False

    def again(self, **options: Any) -> str:
        """The command that trains the same with other options."""
        return command_line("train", config=self.folder / RUN_CONFIG, **options)

    @property
    def validation(self) -> list[float]:
        """The accuracies on the validation images, epoch by epoch, where there are some."""
        return [epoch.val_accuracy for epoch in self.epochs if epoch.val_accuracy is not None]

    @property
    def training(self) -> list[float]:
        """The accuracies on the training images, as they were augmented, epoch by epoch."""
        return [epoch.accuracy for epoch in self.epochs if epoch.accuracy is not None]

    @property
    def learnt(self) -> float | None:
        """The accuracy in training at the end; None where images were mixed, and no answer is the right one."""
        mixed = self.recipe.mixup or self.recipe.cutmix
        return self.training[-1] if self.training and not mixed else None

    @property
    def reached(self) -> float:
        """The accuracy on other images at the end: those of validation, or of the test where there are none."""
        return max(self.validation, default=self.table.accuracy)

    @property
    def rises(self) -> bool:
        """True where the accuracy was still rising: on the validation images, or in training where there are none."""
        curve = self.validation or self.training
        part = max(1, len(curve) // 5)
        if len(curve) < 2 * part:
            return False
        last, before = curve[-part:], curve[-2 * part : -part]
        return sum(last) / part - sum(before) / part >= RISE


def advise(finished: Finished) -> list[Advice]:
    """Return the most useful advice first, at most `MOST`; advice with the same command comes once."""
    rules = (_at_chance, _rising, _rare, _by_heart, _too_small, _mixed_up, _few_tests)
    found: list[Advice] = []
    for advice in (advice for rule in rules for advice in rule(finished)):
        if not advice.command or advice.command not in {one.command for one in found}:
            found.append(advice)
    return found[:MOST]


def _at_chance(finished: Finished) -> Iterator[Advice]:
    table = finished.table
    if table.interval[0] <= table.baseline:
        common = _class(finished, table.commonest)
        text = f"No better than always answering {common}: train for longer; if the loss did not fall, lower --rate"
        yield Advice(text=text, command=_longer(finished))


def _rare(finished: Finished) -> Iterator[Advice]:
    """Classes of few images that are never or seldom found, though others are."""
    table, counts = finished.table, finished.trained or finished.table.truths
    never = [at for at in _rare_classes(counts) if table.truths[at] and not table.answers[at]]
    behind = [at for at in _rare_classes(counts) if at not in never and _is_behind(table, at)]
    for classes, what in ((never, "never answered"), (behind, "seldom found")):
        if classes:
            names = _listed([f"{_class(finished, at)} ({counts[at]:,} images)" for at in classes])
            text = f"{names}: {what}, and the commonest class has {max(counts):,} images: "
            if finished.recipe.balance == "none":
                yield Advice(text=f"{text}balance the classes", command=finished.again(balance="loss"))
            else:
                yield Advice(text=f"{text}add images of the rare ones")


def _rare_classes(counts: Sequence[int]) -> list[int]:
    return [at for at, count in enumerate(counts) if count < RARE * max(counts)]


def _is_behind(table: Confusion, at: int) -> bool:
    interval = table.scores[at].interval
    return interval is not None and interval[1] < table.balanced_accuracy - BEHIND


def _rising(finished: Finished) -> Iterator[Advice]:
    if len(finished.epochs) == 1:
        yield Advice(text="One epoch teaches little: train for longer", command=_longer(finished))
    elif finished.rises:
        where = "on the validation images" if finished.validation else "in training"
        text = f"The accuracy {where} was still rising at the end: train for longer"
        yield Advice(text=text, command=_longer(finished))


def _by_heart(finished: Finished) -> Iterator[Advice]:
    learnt, reached = finished.learnt, finished.reached
    if learnt is None or learnt < LOW or learnt - reached < GAP or learnt <= finished.table.baseline:
        return
    where = "validation" if finished.validation else "test"
    more = "add images, or start from a network that was trained on more of them (--from RUN)"
    text = f"{learnt:.0%} right in training and {reached:.0%} on the {where} images, which is learnt by heart: "
    if finished.recipe.augmentation == "strong":
        yield Advice(text=f"{text}{more}")
    else:
        again = finished.again(augmentation="strong")
        yield Advice(text=f"{text}augment more strongly, {more}", command=again)


def _too_small(finished: Finished) -> Iterator[Advice]:
    learnt = finished.learnt
    if learnt is None or learnt >= LOW:
        return
    text = f"Only {learnt:.0%} right in training itself: a larger network may learn more, and takes longer"
    by_time = finished.planned and finished.time is not None
    yield Advice(
        text=text, command=_longer(finished) if by_time else finished.again(channels=2 * finished.recipe.channels)
    )


def _mixed_up(finished: Finished) -> Iterator[Advice]:
    """Two classes that are taken for each other: often the labels are in doubt."""
    table = finished.table
    for one in table.mistakes(len(table.classes)):
        back = table.counts[one.answer][one.truth]
        if one.count < CONFUSED * one.of or back < max(1, CONFUSED * table.truths[one.answer]) or one.count < 2:
            continue
        first, second = _class(finished, one.truth), _class(finished, one.answer)
        text = f"{first} and {second} are taken for each other: {one.count:,} of {one.of:,}"
        text = f"{text}, and {back:,} of {table.truths[one.answer]:,}; look at the labels"
        yield Advice(text=text + _images(finished, {one.truth, one.answer}))
        return


def _images(finished: Finished, pair: set[int]) -> str:
    """The images of two classes that are mistaken most confidently."""
    wrong = [one for one in finished.answers if one.truth != one.answer and {one.truth, one.answer} == pair]
    wrong.sort(key=lambda one: -one.confidence)
    return f", first of {_listed([one.image for one in wrong])}" if wrong else ""


def _few_tests(finished: Finished) -> Iterator[Advice]:
    low, high = finished.table.interval
    if high - low > WIDE:
        text = f"{finished.table.images:,} test images tell the accuracy to between {low:.0%} and {high:.0%}: test on "
        yield Advice(text=f"{text}more to compare networks")


def _longer(finished: Finished) -> str:
    """The command of a training that is twice as long, of a larger network where that was chosen for the time."""
    if finished.time is not None:
        again = {"recipe": AUTO} if finished.planned else {}
        return finished.again(**again, time=f"{max(1, round(2 * finished.time / 60))}m")
    return finished.again(epochs=2 * finished.recipe.epochs)


def _class(finished: Finished, at: int) -> str:
    return short(finished.table.classes[at], CLASS_WIDTH)


def _listed(names: Sequence[str]) -> str:
    """Names with commas between them; of many the first, and how many more there are."""
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
