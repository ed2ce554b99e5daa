"""Following the work of a verb: progress, remarks, and the state of a search."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ftso_cli.api.record import Stopwatch
from ftso_cli.genotype import Genotype
from ftso_cli.settings.shared import Update

if TYPE_CHECKING:
    from ftso_cli.data import ImageData
    from ftso_cli.search.phases import Search
    from ftso_cli.search.race.checkpoint import RaceCheckpoint
    from ftso_cli.search.recording.history import Record


class Listener:
    """Hears how the work goes on. This one passes steps on to `progress`, and is silent otherwise.

    A subclass shows what it likes to.
    """

    def __init__(self, progress: Update | None = None) -> None:
        self.progress = progress
        self.watch = Stopwatch()

    @contextmanager
    def bar(self, title: str, unit: str) -> Iterator[Update]:
        """Follow a piece of work that is counted in `unit`; reading images is no step of the work itself."""

        def quiet(done: int, total: int, figures: str = "") -> None:
            return

        yield quiet if self.progress is None or unit == "image" else self.progress

    def images(self, data: str, images: "ImageData") -> None:
        """Hear which images are used, and what was passed over."""

    def note(self, text: str) -> None:
        """Hear a remark."""

    def warn(self, text: str) -> None:
        """Hear a warning."""

    def begun(self, search: "Search") -> None:
        """Hear that a search with a history begins, or goes on from its checkpoint."""

    def iterated(self, search: "Search") -> None:
        """Hear that an iteration is done."""

    def recorded(self, record: "Record") -> None:
        """Hear what was added to the history."""

    def seeds(self, awaited: int) -> None:
        """Hear how many seeds of an ensemble are still to be searched from."""

    def member(self, seed: int, joined: Callable[[], Genotype]) -> None:
        """Hear that a seed of an ensemble is done; `joined` gives the ensemble of those that are."""

    def race(self, checkpoint: "RaceCheckpoint") -> None:
        """Hear that a race begins, whose finished runs are added to the checkpoint."""

    def kept(self, text: str) -> None:
        """Hear what a stopped command has kept, and how to go on with it."""
