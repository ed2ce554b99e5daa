"""Precision, recall, intervals and mistakes, from counts by true class and answer. No torch: reports read it, too."""

import heapq
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

Z = 1.959964
"""Quantile of the normal distribution that leaves out 5 % on both sides together."""

Interval = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class ClassScore:
    """The scores of a network on the images of one class; None where there are none to count.

    `precision` is the share of right ones among the images that got this answer, `recall` among those of the class,
    `interval` where the recall lies with 95 % confidence, `f1` the harmonic mean of precision and recall.
    """

    name: str
    images: int
    answered: int
    precision: float | None
    recall: float | None
    interval: Interval | None
    f1: float | None


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """Images of the class `truth`, `count` of its `of`, that got the answer `answer`; classes by their numbers."""

    truth: int
    answer: int
    count: int
    of: int


@dataclass(frozen=True, kw_only=True)
class Confusion:
    """Counts of images by true class (row) and answer (column), in the order of `classes`."""

    classes: Sequence[str]
    counts: Sequence[Sequence[int]]

    @cached_property
    def truths(self) -> list[int]:
        """The images of each class."""
        return [sum(row) for row in self.counts]

    @cached_property
    def answers(self) -> list[int]:
        """The images that got each class as their answer."""
        return [sum(column) for column in zip(*self.counts, strict=True)]

    @property
    def images(self) -> int:
        """All images."""
        return sum(self.truths)

    @property
    def right(self) -> int:
        """The images with the right answer."""
        return sum(row[at] for at, row in enumerate(self.counts))

    @property
    def accuracy(self) -> float:
        """The share of right answers, 0..1."""
        return self.right / self.images

    @property
    def interval(self) -> Interval:
        """The 95 % confidence interval of the accuracy."""
        return wilson(self.right, self.images)

    @property
    def balanced_accuracy(self) -> float:
        """The mean of the recalls of all classes that have images."""
        recalls = [score.recall for score in self.scores if score.recall is not None]
        return sum(recalls) / len(recalls)

    @property
    def commonest(self) -> int:
        """The class of most images."""
        return max(range(len(self.classes)), key=self.truths.__getitem__)

    @property
    def baseline(self) -> float:
        """The accuracy of always answering the commonest class."""
        return self.truths[self.commonest] / self.images

    @cached_property
    def scores(self) -> tuple[ClassScore, ...]:
        """The scores on each class."""
        return tuple(map(self._score, range(len(self.classes))))

    def _score(self, at: int) -> ClassScore:
        right, images, answered = self.counts[at][at], self.truths[at], self.answers[at]
        return ClassScore(
            name=self.classes[at],
            images=images,
            answered=answered,
            precision=right / answered if answered else None,
            recall=right / images if images else None,
            interval=wilson(right, images) if images else None,
            f1=2 * right / (images + answered) if images + answered else None,
        )

    def worst(self, most: int) -> list[int]:
        """The classes of the lowest recall, the lowest first; those without images are not among them."""
        scored = [(score.recall, at) for at, score in enumerate(self.scores) if score.recall is not None]
        return [at for _, at in heapq.nsmallest(most, scored)]

    def mistakes(self, most: int) -> list[Mistake]:
        """The commonest mistakes: of most images, then of the largest share of their class."""
        return heapq.nlargest(most, self._mistakes(), key=lambda one: (one.count, one.count / one.of))

    def _mistakes(self) -> Iterator[Mistake]:
        for truth, row in enumerate(self.counts):
            for answer, count in enumerate(row):
                if count and answer != truth:
                    yield Mistake(truth=truth, answer=answer, count=count, of=self.truths[truth])


def wilson(right: int, of: int) -> Interval:
    """The 95 % interval of a share of which `right` of `of` were seen (Wilson, 1927, without correction)."""
    share, squared = right / of, Z * Z
    centre = (share + squared / (2 * of)) / (1 + squared / of)
    half = Z * math.sqrt(share * (1 - share) / of + squared / (4 * of * of)) / (1 + squared / of)
    # At the ends it is exact but for rounding.
    return (max(0.0, centre - half) if right else 0.0), (min(1.0, centre + half) if right < of else 1.0)
