"""The listener and the output of the commands that search."""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import RenderableType

from ftso_cli.api.listening import Listener
from ftso_cli.cli.console import next_step, note, print_json, say, warn
from ftso_cli.cli.output import common
from ftso_cli.cli.output.listening import CommandListener
from ftso_cli.cli.output.live import LiveCell, LiveEnsemble, LiveRace
from ftso_cli.cli.output.progress import bar
from ftso_cli.errors import FileError
from ftso_cli.genotype import Genotype
from ftso_cli.settings.shared import OnImages, Update

if TYPE_CHECKING:
    from ftso_cli.api.search.searching import Found
    from ftso_cli.data import ImageData
    from ftso_cli.search.phases import Search
    from ftso_cli.search.race.checkpoint import RaceCheckpoint
    from ftso_cli.search.recording.history import Record

DEFAULT_OUTPUT = Path("cell.json")


def new_file(given: dict[str, Any]) -> None:
    """Fill in the file to write; a default is never written over, for a search may have taken hours."""
    if "output" not in given and os.path.lexists(DEFAULT_OUTPUT):
        raise FileError(
            f"{DEFAULT_OUTPUT} exists; name another file with -o FILE, or replace it with -o {DEFAULT_OUTPUT}"
        )
    given.setdefault("output", DEFAULT_OUTPUT)


class SearchListener(CommandListener):
    """Shows the search behind a progress bar, the cell as it stands below it, and a line a record."""

    def __init__(self) -> None:
        super().__init__()
        self._live: LiveCell | LiveEnsemble | LiveRace | None = None
        self._warned = False

    @contextmanager
    def bar(self, title: str, unit: str) -> Iterator[Update]:
        """Show a progress bar."""
        below: Callable[[], RenderableType | None] | None = None if unit == "image" else self._below
        with bar(title, below) as progress:
            yield progress.update

    def _below(self) -> RenderableType | None:
        return None if self._live is None else self._live()

    def images(self, data: str, images: "ImageData") -> None:
        """Tell where test images come from, and what was passed over."""
        common.print_name(data)
        common.print_images(images)

    def begun(self, search: "Search") -> None:
        """Show the cell from now on."""
        self._live = LiveCell()

    def iterated(self, search: "Search") -> None:
        """Refresh the live view."""
        if isinstance(self._live, LiveCell):
            self._live.look(search)

    def recorded(self, record: "Record") -> None:
        """Print a line of history, and once a warning where skip connections take over."""
        note(_line(record))
        collapsing = isinstance(self._live, LiveCell) and self._live.collapsing()
        if not self._warned and record.skips is not None and collapsing:
            self._warned = True
            warn(
                f"skip connections lead on {record.skips} of {record.edges} edges: the search is collapsing "
                "(--early-stop eigenvalue stops before)"
            )

    def seeds(self, awaited: int) -> None:
        """Show the ensemble from now on."""
        self._live = LiveEnsemble(awaited)

    def member(self, seed: int, joined: Callable[[], Genotype]) -> None:
        """Refresh the live view of the ensemble."""
        if isinstance(self._live, LiveEnsemble):
            self._live.look(joined)

    def race(self, checkpoint: "RaceCheckpoint") -> None:
        """Show the race from now on."""
        self._live = LiveRace(checkpoint)


def print_result(
    found: "Found", request: OnImages, facts: dict[str, Any], as_json: bool, report: Callable[[], None]
) -> None:
    """Print the result of a search: as JSON, or by `report` and where it was written. A file on stdout is all of it."""
    output: Any = getattr(request, "output", None)
    if as_json:
        print_json(found.facts | facts)
    elif str(output) != "-":
        report()


def print_written(request: OnImages, listener: Listener) -> None:
    """Tell where the genotype is, and how long it took."""
    say(f"wrote {getattr(request, 'output', None)} in {listener.watch}")


def propose_training(request: OnImages) -> None:
    """Name the command that trains what was found, on the same images."""
    next_step("train", getattr(request, "output", None), data=request.data, image_size=request.image_size)


def count_operators(genotype: Genotype) -> str:
    """Return how many edges carry which operator, on one line."""
    counts = Counter(edge.op for cell in genotype.cells.values() for edge in cell.kept)
    return "operators: " + ", ".join(f"{count} × {op}" for op, count in counts.most_common())


def _line(record: "Record") -> str:
    parts = [f"epoch {record.epoch:>3}  iteration {record.iteration:>6}"]
    if record.reward is not None:
        parts = [f"cell {record.iteration:>6}  highest reward {record.reward:.4g}"]
    for name, value in (("loss", record.weight_loss), ("held-out", record.arch_loss)):
        parts += [] if value is None else [f"{name} {value:.3f}"]
    parts += [] if record.skips is None else [f"skips {record.skips}/{record.edges}"]
    parts += [] if record.eigenvalue is None else [f"eigenvalue {record.eigenvalue:.4g}"]
    return "  ".join(parts)
