"""What a search shows and keeps while it runs: options, the cell as it stands, lines and curves, resuming."""

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ftso_cli.api import recorded
from ftso_cli.cli import common, searching
from ftso_cli.cli.console import note, warn
from ftso_cli.cli.live import LiveCell
from ftso_cli.files import alone_in
from ftso_cli.genotype import Genotype
from ftso_cli.search.recording.options import has_checkpoint
from ftso_cli.training.curves import check_tensorboard

if TYPE_CHECKING:
    import torch

    from ftso_cli.cli.search_curves import SearchCurves
    from ftso_cli.data import ImageData
    from ftso_cli.nn.distributed import Group
    from ftso_cli.search.phases import Search
    from ftso_cli.search.recording.history import Record

SAVE_MINUTES = recorded.SAVE_MINUTES


class Tracked(StrEnum):
    """The values of --track and --early-stop."""

    eigenvalue = "eigenvalue"


RunOption = Annotated[
    Path | None,
    typer.Option(
        "--run",
        metavar="DIR",
        help="Folder of α, β and losses over time, and of checkpoints.",
        show_default="OUTPUT.COMMAND",
    ),
]
TrackOption = Annotated[
    Tracked | None,
    typer.Option(help="Work out how sharply the held-out loss curves in α and β, every epoch.", show_default=False),
]
EarlyStopOption = Annotated[
    Tracked | None,
    typer.Option(help="Stop where that jumps, and take the cell from before (DARTS-ES).", show_default=False),
]
EveryOption = Annotated[
    int | None,
    typer.Option("--every", metavar="N", min=1, help="Iterations between records.", show_default="an epoch"),
]
SaveOption = Annotated[
    float, typer.Option("--save-every", metavar="MINUTES", min=0, help="Longest time between checkpoints.")
]
ResumeOption = Annotated[
    bool, typer.Option("--resume", help="Go on with the same search where it was stopped or killed.")
]
TensorboardOption = Annotated[
    bool,
    typer.Option(
        "--tensorboard",
        help="Write curves, and a picture of the cell every epoch, for TensorBoard into the run folder.",
    ),
]


def options(
    request: searching.Request,
    run: Path | None,
    every: int | None,
    track: Tracked | None,
    early_stop: Tracked | None,
    resume: bool,
    save_minutes: float = recorded.SAVE_MINUTES,
) -> recorded.Options:
    """The options of a command; the run folder is the one asked for, or beside the genotype; none for stdout."""
    output = request.output
    beside = None if str(output) == "-" else output.parent / f"{output.stem}.{request.command}"
    return recorded.Options(
        folder=run or beside,
        every=every,
        track=track is not None,
        early_stop=early_stop is not None,
        save_minutes=save_minutes,
        resume=resume,
    )


class Recorded(recorded.Recorded):
    """A search that shows the cell as it stands and tells what it records."""

    def __init__(
        self,
        request: searching.Request,
        options: recorded.Options,
        make: recorded.Make,
        start: Genotype | None,
        tensorboard: bool,
    ) -> None:
        super().__init__(request, options, make, start)
        self.live, self.tensorboard = LiveCell(), tensorboard
        self._curves: SearchCurves | None = None
        self._search: Search | None = None
        self._warned = False

    def kept(self) -> str:
        """What there is to go on from, and how."""
        folder = self.options.folder
        if folder is None or not has_checkpoint(folder):
            return ""
        return f"{folder} holds what is done: give the same command with --resume"

    def on_begin(self, search: "Search", problem: str) -> None:
        """Says where a resumed search goes on."""
        if problem:
            warn(f"{problem}; going on from the checkpoint before it")
        self._search = search
        if self.tensorboard and self.options.folder is not None:
            from ftso_cli.cli.search_curves import SearchCurves

            self._curves = SearchCurves(self.options.folder, search.engine.iteration)
        if self.options.resume:
            note(f"going on after iteration {search.engine.iteration} of {search.engine.iterations}")

    def on_iteration(self, search: "Search") -> None:
        """Looks what leads."""
        self.live.look(search)

    def on_record(self, record: "Record") -> None:
        """A line of history, and once a warning where skip connections take over."""
        note(_line(record))
        if self._curves is not None and self._search is not None:
            self._curves.add(record, self._search.derive())
        if not self._warned and record.skips is not None and self.live.collapsing():
            self._warned = True
            warn(
                f"skip connections lead on {record.skips} of {record.edges} edges: the search is collapsing "
                "(--early-stop eigenvalue stops before)"
            )

    def on_stop(self, text: str) -> None:
        """Says that the search stopped early."""
        note(text)

    def close(self) -> None:
        """Takes the checkpoints away; the curves are whole."""
        super().close()
        if self._curves is not None:
            self._curves.close()


Make = Callable[["ImageData", "torch.device", "Group"], "Search"]
"""Makes the search, ready to run, that the processes of a group run together."""


def execute(
    request: searching.Request,
    options: recorded.Options,
    make: Make,
    watch: common.Stopwatch,
    start: Genotype | None = None,
    *,
    tensorboard: bool = False,
) -> tuple[Genotype, dict[str, Any]]:
    """Runs a search, writes its genotype, and only then takes its checkpoints away; gives the facts for --json too.

    The processes that `torchrun` has started run it together.
    """
    if tensorboard:
        if options.folder is None:
            raise typer.BadParameter("needs a folder; give --run DIR, or -o FILE", param_hint="--tensorboard")
        check_tensorboard()
    from ftso_cli.nn.distributed import launched

    with launched() as group:
        if group.size > 1:
            request.notes.append(f"searched by {group.size} processes")
        search = Recorded(
            request, options, lambda images, on: make(images, on, group), start, tensorboard and group.first
        )
        with common.telling(search.kept), alone_in(options.folder if group.first else None):
            found = searching.execute(request, search, watch, search.live)
            search.close()
    return found


def _line(record: "Record") -> str:
    parts = [f"epoch {record.epoch:>3}  iteration {record.iteration:>6}"]
    for name, value in (("loss", record.weight_loss), ("held-out", record.arch_loss)):
        parts += [] if value is None else [f"{name} {value:.3f}"]
    parts += [] if record.skips is None else [f"skips {record.skips}/{record.edges}"]
    parts += [] if record.eigenvalue is None else [f"eigenvalue {record.eigenvalue:.4g}"]
    return "  ".join(parts)
