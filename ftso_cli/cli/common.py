"""Arguments and options that several commands share, and what they do with a genotype."""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from pydantic import JsonValue

from ftso_cli import __version__
from ftso_cli.errors import FtsoError
from ftso_cli.genotype import Genotype, Step, Times, library

CellArgument = Annotated[
    str,
    typer.Argument(
        metavar="CELL",
        help="A genotype file, - for standard input, or the name of a published cell.",
        show_default=False,
    ),
]
OutputOption = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE", help="Write here instead of updating CELL in place; - is stdout."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]


def output_for(cell: str, output: Path | None) -> Path:
    """Where an edited genotype goes: `output`, or back to where it was read. A published cell is never changed."""
    if output is not None:
        return output
    if library.is_name(cell):
        raise FtsoError(f"{cell} is a published cell and stays as it is; name a file of your own with -o FILE")
    return Path(cell)


class Stopwatch:
    """Seconds by phase, from the start of a command: `lap` ends a phase."""

    def __init__(self) -> None:
        self.started = datetime.now(UTC)
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, phase: str) -> float:
        """Ends the phase and gives its seconds."""
        now = time.perf_counter()
        self.seconds[phase] = round(now - self._last, 4)
        self._last = now
        return self.seconds[phase]

    def times(self) -> Times:
        """The phases so far, as the genotype stores them."""
        return Times(started=self.started.isoformat(timespec="seconds"), seconds=dict(self.seconds))


def edited(genotype: Genotype, command: str, watch: Stopwatch, **settings: JsonValue) -> Genotype:
    """The genotype with an editing command added to its history."""
    known: dict[str, JsonValue] = {name: value for name, value in settings.items() if value is not None}
    watch.lap("edit")
    return genotype.with_step(Step(command=command, settings=known, versions={"ftso": __version__}), watch.times())
