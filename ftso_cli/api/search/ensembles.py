"""A topology search from many seeds that keeps what each seed found, and can be resumed."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftso_cli.api.listening import Listener
from ftso_cli.api.record import Stopwatch
from ftso_cli.api.search.recorded import telling
from ftso_cli.api.search.searching import Found, IterationState, Task, execute, step_of
from ftso_cli.errors import RunError, differences
from ftso_cli.files import locked_folder, write_inside
from ftso_cli.genotype import Genotype, Step, storage
from ftso_cli.processes import check_alone
from ftso_cli.settings.options import present_names
from ftso_cli.settings.searches import TopologySettings

if TYPE_CHECKING:
    import torch

    from ftso_cli.data import ImageData


def run_ensemble(many: "EnsembleSearch") -> Found:
    """Search from many seeds, and keep what each found until the genotype is written."""
    check_alone("an ensemble of seeds runs in one process, several seeds at a time with --workers N")
    listener = many.listener
    listener.seeds(len(many.seeds) - (len(many.kept) if many.resume else 0))
    if many.resume and many.kept:
        listener.note(f"going on after {many.done}")
    with telling(listener, many.advice):
        genotype, facts = execute(many.task, many, listener)
        many.close()
    return Found(genotype=genotype, facts=facts, notes=tuple(many.task.notes))


def seeds_folder(output: Path) -> Path:
    """Return the folder beside its genotype in which an ensemble keeps what each seed found."""
    return output.with_name(f"{output.stem}.seeds")


class EnsembleSearch:
    """A search from many seeds; `folder` keeps those that are done, a genotype file each, to be resumed."""

    def __init__(
        self,
        task: Task,
        settings: TopologySettings,
        seeds: tuple[int, ...],
        listener: Listener,
        *,
        resume: bool = False,
        workers: int | None = None,
    ) -> None:
        self.task, self.settings, self.seeds, self.listener = task, settings, seeds, listener
        self.folder = None if task.file is None else seeds_folder(task.file)
        self.resume, self.workers = resume, workers

    def __call__(self, data: "ImageData", device: "torch.device", each: Callable[[IterationState], None]) -> Genotype:
        """Runs the seeds that are not done yet.

        Raises `RunError` where there are seeds of a stopped search and `resume` is not asked for, or where there is
        nothing to resume, or another search.
        """
        from ftso_cli.search.topology.ensemble import search_ensemble

        step = step_of(self.task, data, device)
        known = self._known(step)

        def on_member(seed: int, member: Genotype, joined: Callable[[], Genotype]) -> None:
            if self.folder is not None:
                content = storage.genotype_json(member.with_step(step, Stopwatch().times()))
                write_inside(_file(self.folder, seed), content.encode())
            self.listener.member(seed, joined)

        with locked_folder(self.folder):
            return search_ensemble(
                data,
                self.settings,
                seeds=self.seeds,
                device=device,
                on_iteration=each,
                workers=self.workers,
                known=known,
                on_member=on_member,
            )

    @property
    def kept(self) -> list[Path]:
        """The files of the seeds that are done."""
        if self.folder is None or not self.folder.is_dir():
            return []
        return [path for path in self.folder.iterdir() if path.suffix == ".json" and path.stem.isdigit()]

    @property
    def done(self) -> str:
        """The number of seeds done, as text."""
        done = len(self.kept)
        return f"{done} seed{'s' * (done != 1)}"

    def advice(self) -> str:
        """Return what there is to go on from, and how."""
        if not self.kept:
            return ""
        return f"{self.folder} keeps what {self.done} found, go on with the same command and --resume"

    def close(self) -> None:
        """Takes the files away, once the result is written."""
        for path in self.kept:
            path.unlink(missing_ok=True)
        if self.folder is not None:
            with suppress(OSError):
                self.folder.rmdir()

    def _known(self, step: Step) -> dict[int, Genotype]:
        """Return the results of the seeds that the same search finished before."""
        if not self.resume:
            if self.kept:
                raise RunError(
                    f"{self.folder} holds seeds of a search that was stopped; go on with --resume, or delete it"
                )
            return {}
        if self.folder is None:
            raise RunError(
                "a search that writes to - keeps nothing, so there is nothing to resume; name a file with -o"
            )
        if not self.folder.is_dir():
            raise RunError(f"there is no {self.folder}, so there is nothing to resume; leave --resume away")
        paths = {seed: _file(self.folder, seed) for seed in self.seeds}
        return {seed: self._read(path, seed, step) for seed, path in paths.items() if path.exists()}

    def _read(self, path: Path, seed: int, step: Step) -> Genotype:
        from ftso_cli.search.topology.ensemble import is_member

        member = storage.read_genotype(path)
        was = _asked(member.history[-1]) if member.history else {}
        if changed := differences(was, _asked(step)):
            raise RunError(f"{path}: was searched with {changed}; resume it with the same request")
        if not is_member(member, self.settings, seed):
            raise RunError(f"{path}: is not what seed {seed} found; delete it, and resume")
        return member.replace(history=(), times=())


def _file(folder: Path, seed: int) -> Path:
    return folder / f"{seed}.json"


def _asked(step: Step) -> Mapping[str, Any]:
    """All of a step that decides what a seed finds."""
    return {**present_names(step.settings), "command": step.command, "data": step.data, "device": step.device}
