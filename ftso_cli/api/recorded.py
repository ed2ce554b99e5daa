"""A search that keeps its history and its checkpoints in a folder, and can be resumed."""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from ftso_cli.api.searching import Request, Standing
from ftso_cli.api.settings import check_trackable
from ftso_cli.genotype import Genotype
from ftso_cli.search.recording.options import Recording

if TYPE_CHECKING:
    import torch

    from ftso_cli.data import ImageData
    from ftso_cli.search.phases import Search
    from ftso_cli.search.recording.history import Record
    from ftso_cli.search.recording.recorder import Recorder

SAVE_MINUTES = Recording.save_minutes

Make = Callable[["ImageData", "torch.device"], "Search"]
"""Makes the search, ready to run."""


@dataclass(frozen=True, kw_only=True)
class Options(Recording):
    """What to keep of a search, and whether to go on with one."""

    resume: bool = False


class Recorded:
    """Runs a search with its history and its checkpoints; `close` once the result is written.

    What it is told on the way, a subclass can tell the user. Raises `SettingsError` for options that the search lacks.
    """

    def __init__(self, request: Request, options: Options, make: Make, start: Genotype | None = None) -> None:
        check_trackable(request.settings, track=options.track, early_stop=options.early_stop)
        self.request, self.options, self.make = request, options, make
        self.start = start
        """The cell that the search started from, where it did."""
        self._recorder: Recorder | None = None

    def __call__(self, images: "ImageData", device: "torch.device", each: Callable[[Standing], None]) -> Genotype:
        """Runs it to the end."""
        from ftso_cli.search.recording.recorder import Recorder

        search = self.make(images, device)
        self._recorder = recorder = Recorder(search, self.options, self._identity(images, device))
        self.on_begin(search, recorder.begin(resume=self.options.resume))

        def on_iteration(state: Standing) -> None:
            self.on_iteration(search)
            each(state)

        found = recorder.run(on_iteration, self.on_record)
        self._note_stop(recorder)
        return found

    def close(self) -> None:
        """Takes the checkpoints away."""
        if self._recorder is not None:
            self._recorder.close()

    def on_begin(self, search: "Search", problem: str) -> None:
        """The search begins or is resumed; `problem` says what was wrong with its last checkpoint, if anything."""

    def on_iteration(self, search: "Search") -> None:
        """An iteration is done."""

    def on_record(self, record: "Record") -> None:
        """A record was added to the history."""

    def on_stop(self, text: str) -> None:
        """The search stopped before its end."""

    def _identity(self, images: "ImageData", device: "torch.device") -> dict[str, Any]:
        """All that decides the result, to be compared on resuming."""
        start = None if self.start is None else sha256(self.start.model_dump_json().encode()).hexdigest()[:16]
        return self.request.recorded(images) | {
            "command": self.request.command,
            "data": images.name,
            "seed": self.request.seed,
            "device": device.type,
            "start": start,
            "every": self.options.every,
            "early_stop": self.options.early_stop,
            "track": self.options.track,
        }

    def _note_stop(self, recorder: "Recorder") -> None:
        if (place := recorder.stopped) is not None:
            now, then = recorder.history.records[-1], recorder.history.records[place]
            text = (
                f"stopped at iteration {now.iteration}: the dominant eigenvalue has jumped; "
                f"the cell is that of iteration {then.iteration}"
            )
            self.request.notes.append(text)
            self.on_stop(text)
