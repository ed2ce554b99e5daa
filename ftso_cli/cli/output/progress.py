"""Progress on stderr: what is done, at what rate, what is left to wait. A bar, or lines where there is no terminal."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from rich.console import RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column
from rich.text import Text

from ftso_cli.cli.console import err, note

WIDE, NARROW = 112, 72
"""Characters of a terminal from which on all columns have room, and below which only what counts has."""

LINE = 30.0
"""Seconds between two lines of a log."""


class RateColumn(ProgressColumn):
    """Steps a second, or seconds a step where that is more."""

    def render(self, task: Task) -> Text:
        """The rate over the last steps."""
        speed = task.finished_speed or task.speed
        if not speed:
            return Text("")
        return Text(f"{speed:.1f}/s" if speed >= 1 else f"{1 / speed:.1f} s each")


class LeftColumn(TimeRemainingColumn):
    """The time left, said to be that beside the time that has passed; nothing while it isn't known."""

    def render(self, task: Task) -> Text:
        """Return the time as `0:01:20 left`."""
        time = super().render(task).plain
        return Text(f"· {time} left ·" if ":" in time and "-" not in time else "")


class ProgressBar:
    """One progress bar: `update` moves it and changes the figures behind it."""

    def __init__(self, progress: Progress, task: int) -> None:
        self._progress = progress
        self._task = task

    def update(self, done: int, total: int, figures: str = "") -> None:
        """Shows `done` of `total` steps."""
        self._progress.update(self._task, completed=done, total=total, figures=figures)  # type: ignore[arg-type]


class ProgressLines:
    """Progress as lines of a log: the first after `LINE` seconds, and no more than one in as many."""

    def __init__(self, title: str, unit: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._title, self._unit, self._clock = title, unit, clock
        self._began = self._last = clock()
        self._first: int | None = None

    def update(self, done: int, total: int, figures: str = "") -> None:
        """Prints `done` of `total` steps where a line is due."""
        first, now = done if self._first is None else self._first, self._clock()
        self._first = first
        if now - self._last < LINE:
            return
        self._last = now
        parts = [f"{self._unit} {done:,} of {total:,}", figures]
        if done > first:
            left = (total - done) * (now - self._began) / (done - first)
            parts.append(f"{timedelta(seconds=round(left))} left")
        note(f"{self._title}: {', '.join(filter(None, parts))}")


class _WithMore(Progress):
    """A progress bar with something below it, drawn anew with it."""

    below: Callable[[], RenderableType | None] | None = None

    def get_renderables(self) -> Iterable[RenderableType]:
        """The bar, and what is below it."""
        yield from super().get_renderables()
        if self.below is not None and (more := self.below()) is not None:
            yield more


def _columns(title: str, width: int) -> list[ProgressColumn]:
    """Return the columns that a terminal of this width has room for; the figures give way first."""
    figures = TextColumn("{task.fields[figures]}", table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1))
    start: list[ProgressColumn] = [TextColumn(title, table_column=Column(no_wrap=True))]
    count = MofNCompleteColumn(table_column=Column(no_wrap=True))
    if width < NARROW:
        return [*start, count, figures]
    start += [BarColumn(bar_width=24 if width >= WIDE else 8), count]
    start += [RateColumn(), TimeElapsedColumn()] if width >= WIDE else []
    return [*start, LeftColumn(table_column=Column(no_wrap=True)), figures]


@contextmanager
def bar(title: str, below: Callable[[], RenderableType | None] | None = None) -> Iterator[ProgressBar]:
    """A progress bar that goes away when the work is done, and what `below` gives with it."""
    progress = _WithMore(
        *_columns(title, err.width),
        console=err,
        transient=True,
        disable=not err.is_terminal,
    )
    progress.below = below
    with progress:
        yield ProgressBar(progress, progress.add_task(title, total=None, figures=""))


@contextmanager
def waiting(title: str) -> Iterator[None]:
    """A sign that something is going on, where there is a terminal; it goes away when the work is done."""
    if not err.is_terminal:
        yield
        return
    with err.status(title):
        yield
