"""A search that keeps its history and its checkpoints in a folder, and can be resumed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftso_cli.api.listening import Listener
from ftso_cli.api.search.searching import Found, IterationState, Task, execute
from ftso_cli.files import locked_folder
from ftso_cli.genotype import Genotype
from ftso_cli.search.recording.options import Recording, has_checkpoint
from ftso_cli.settings.options import OptionError
from ftso_cli.settings.shared import Recorded

if TYPE_CHECKING:
    import torch

    from ftso_cli.api.search.curves import SearchCurves
    from ftso_cli.data import ImageData
    from ftso_cli.nn.distributed import Group
    from ftso_cli.search.phases import Search
    from ftso_cli.search.recording.history import Record
    from ftso_cli.search.recording.recorder import Recorder

Make = Callable[["ImageData", "torch.device", "Group"], "Search"]
"""Makes the search, ready to run, that the processes of a group run together."""


def run_recorded(
    task: Task, request: Recorded, make: Make, listener: Listener, start: Genotype | None = None, *, keep: bool = True
) -> Found:
    """Run a search, write its genotype, and only then take its checkpoints away.

    The history lies in `run`, or beside the genotype's file where it is to be kept. `start` is the cell that the search
    starts from. The processes that `torchrun` has started run it together.
    """
    recording = _recording(task, request, keep)
    if request.tensorboard:
        _check_tensorboard(recording)
    from ftso_cli.nn.distributed import launched

    with launched() as group:
        if group.size > 1:
            task.notes.append(f"searched by {group.size} processes")
        search = RecordedSearch(task, request, recording, make, listener, start, group)
        with telling(listener, search.kept), locked_folder(recording.folder if group.first else None):
            genotype, facts = execute(task, search, listener)
            search.close()
    return Found(genotype=genotype, facts=facts, notes=tuple(task.notes))


def _recording(task: Task, request: Recorded, keep: bool) -> Recording:
    """Return what to keep; the run folder is the one asked for, or beside the genotype."""
    beside = None if task.file is None or not keep else task.file.parent / f"{task.file.stem}.{task.command}"
    return Recording(
        folder=beside if request.run is None else Path(request.run),
        every=request.every,
        track=request.track is not None,
        early_stop=request.early_stop is not None,
        save_minutes=request.save_every,
        keep_weights=request.keep_weights,
    )


def _check_tensorboard(recording: Recording) -> None:
    from ftso_cli.training.curves import check_tensorboard

    if recording.folder is None:
        raise OptionError("tensorboard", "needs a folder; give {run=DIR}, or {output=FILE}")
    check_tensorboard()


@contextmanager
def telling(listener: Listener, kept: Callable[[], str]) -> Iterator[None]:
    """On Ctrl-C tell the listener what is kept, and how to go on with it; `kept` gives "" where nothing is."""
    try:
        yield
    except KeyboardInterrupt:
        if text := kept():
            listener.kept(text)
        raise


class RecordedSearch:
    """A search with its history and its checkpoints; to be closed once the result is written."""

    def __init__(
        self,
        task: Task,
        request: Recorded,
        recording: Recording,
        make: Make,
        listener: Listener,
        start: Genotype | None,
        group: "Group",
    ) -> None:
        self.task, self.request, self.recording, self.listener = task, request, recording, listener
        self._make, self._start, self._group = make, start, group
        self._recorder: Recorder | None = None
        self._curves: SearchCurves | None = None

    def __call__(self, data: "ImageData", device: "torch.device", each: Callable[[IterationState], None]) -> Genotype:
        """Run it to the end."""
        from ftso_cli.search.recording.recorder import Recorder

        search = self._make(data, device, self._group)
        self._recorder = recorder = Recorder(search, self.recording, self._identity(data, device))
        self._begin(search, recorder.begin(resume=self.request.resume))

        def on_iteration(state: IterationState) -> None:
            self.listener.iterated(search)
            each(state)

        def on_record(record: "Record") -> None:
            self.listener.recorded(record)
            if self._curves is not None:
                self._curves.add(record, search.derive())

        found = recorder.run(on_iteration, on_record)
        self._note_stop(recorder)
        if text := search.remark(found):
            self.task.notes.append(text)
            self.listener.note(text)
        self.task.notes.extend(search.notes())
        return found

    def kept(self) -> str:
        """Return what there is to go on from, and how."""
        folder = self.recording.folder
        if folder is None or not has_checkpoint(folder):
            return ""
        return f"{folder} holds what is done: give the same command with --resume"

    def close(self) -> None:
        """Take the checkpoints away; the curves are whole."""
        if self._recorder is not None:
            self._recorder.close()
        if self._curves is not None:
            self._curves.close()

    def _begin(self, search: "Search", problem: str) -> None:
        if problem:
            self.listener.warn(f"{problem}; going on from the checkpoint before it")
        if self.request.tensorboard and self._group.first and self.recording.folder is not None:
            from ftso_cli.api.search.curves import SearchCurves

            self._curves = SearchCurves(self.recording.folder, search.engine.iteration, self.listener.warn)
        self.listener.begun(search)
        if self.request.resume:
            self.listener.note(f"going on after iteration {search.engine.iteration} of {search.engine.iterations}")

    def _identity(self, data: "ImageData", device: "torch.device") -> dict[str, Any]:
        """Return everything that decides the result, to be compared on resuming."""
        start = None if self._start is None else sha256(self._start.model_dump_json().encode()).hexdigest()[:16]
        return self.task.recorded(data) | {
            "command": self.task.command,
            "data": data.name,
            "seed": self.task.seed,
            "device": device.type,
            "start": start,
            "every": self.recording.every,
            "early_stop": self.recording.early_stop,
            "track": self.recording.track,
        }

    def _note_stop(self, recorder: "Recorder") -> None:
        if (place := recorder.stopped) is not None:
            now, then = recorder.history.records[-1], recorder.history.records[place]
            text = (
                f"stopped at iteration {now.iteration}: the dominant eigenvalue has jumped; "
                f"the cell is that of iteration {then.iteration}"
            )
            self.task.notes.append(text)
            self.listener.note(text)
