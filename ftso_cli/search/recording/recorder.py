"""Running a search so that nothing of it is lost: its history, its checkpoints, and a stop before it collapses.

metrics.csv             a line a record: losses, skip connections, the dominant eigenvalue, the highest reward
alphas.csv, betas.csv   α and β of every edge at every record
evaluations.csv         a line an evaluated cell, of a search by evaluation
checkpoint.safetensors  all that the next iteration depends on; taken away once the search is done
"""

import json
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from statistics import fmean
from typing import Any

import torch
from pydantic import ValidationError

from ftso_cli.errors import FtsoError, RunError, differences
from ftso_cli.files import make_folder, write_inside
from ftso_cli.genotype import Genotype
from ftso_cli.genotype.schema import Model
from ftso_cli.genotype.storage import describe_error
from ftso_cli.interrupt import Interrupt, deferred_interrupt
from ftso_cli.nn.checkpoint import Checkpoints, State, check_alike
from ftso_cli.nn.readings import Reading
from ftso_cli.search.engine.bilevel import EngineProgress, prefixed, under
from ftso_cli.search.engine.eigenvalue import jump
from ftso_cli.search.phases import Search
from ftso_cli.search.recording.history import Architecture, History, Record, restored
from ftso_cli.search.recording.options import CHECKPOINT, SUPERNET, Recording
from ftso_cli.settings.options import present_names

HISTORY = "history."

Losses = tuple[Reading, Reading | None]
"""The losses of an iteration on the weights' images and on those of the architecture."""


class _Values(Model):
    """The values of a checkpoint beside its tensors."""

    request: dict[str, Any]
    history: tuple[Record, ...]
    pending: tuple[tuple[float, float | None], ...]


class Recorder:
    """Runs a search and keeps its history; `request` says what the search was asked for, to be compared on resuming.

    Of the processes that search together all keep it, and the first alone writes.
    """

    def __init__(self, search: Search, recording: Recording, request: Mapping[str, Any]) -> None:
        self.search, self.recording, self.request = search, recording, dict(request)
        self.engine, self._group = search.engine, search.engine.group
        self.history = History()
        self.checkpoints = None if recording.folder is None else Checkpoints(recording.folder / CHECKPOINT)
        self._pending: list[Losses] = []
        self._saved = time.perf_counter()

    @property
    def stopped(self) -> int | None:
        """The place in the history of the record before the jump that ended the search, or None."""
        if not self.recording.early_stop:
            return None
        tracked = [at for at, record in enumerate(self.history.records) if record.eigenvalue is not None]
        place = jump([self.history.records[at].eigenvalue or 0.0 for at in tracked])
        return None if place is None else tracked[place]

    def begin(self, *, resume: bool) -> str:
        """Makes the folder, or with `resume` goes back to its last checkpoint and says what was wrong with it, if any.

        Raises `RunError` where there is nothing to resume, or a search that was stopped and is not to be resumed.
        """
        if self.checkpoints is None:
            if resume:
                raise RunError("nothing was kept of a search that writes to -; name a file with -o")
        elif self.checkpoints.exist():
            if not resume:
                raise RunError(f"{self.recording.folder} holds a search that was stopped; give --resume, or delete it")
            return self._load_in_turn(self.checkpoints)
        elif resume:
            raise RunError(f"{self.recording.folder}: no search to resume, it has no checkpoint; leave --resume out")
        if self.recording.folder is not None and self._group.first:
            make_folder(self.recording.folder)
        self._record()
        return ""

    def run(
        self, on_iteration: Callable[[EngineProgress], None], on_record: Callable[[Record], None] = lambda record: None
    ) -> Genotype:
        """Runs what is left and gives what was found; where it stopped early, what it was before the jump.

        With a folder, Ctrl-C ends the iteration in hand, writes a checkpoint and raises `KeyboardInterrupt`.
        """
        engine, keeping = self.engine, self.checkpoints is not None
        with (
            deferred_interrupt() if keeping else nullcontext(Interrupt()) as interrupt,
            self._group.together(self._advice),
        ):
            while engine.iteration < engine.iterations and self.stopped is None:
                progress = engine.step()
                self._pending += [progress.losses] if progress.losses else []
                on_iteration(progress)
                if self._due(self.recording.every or engine.period):
                    self._record()
                    on_record(self.history.records[-1])
                asked = self._group.any(interrupt.asked)
                if asked or self._due(engine.period) or self._late():
                    self._save()
                if asked:
                    raise KeyboardInterrupt
        if (place := self.stopped) is not None:
            self._assign(self.history.architectures[place])
        self._write_tables()
        return self.search.derive()

    def close(self) -> None:
        """Take the checkpoints away, the result is written; the last stays as the super-net where it is to be kept."""
        if self.checkpoints is not None and self._group.first:
            if self.recording.keep_weights and self.checkpoints.last.exists():
                self.checkpoints.last.replace(self.checkpoints.last.with_name(SUPERNET))
            self.checkpoints.remove()

    def _due(self, every: int) -> bool:
        return self.engine.iteration % every == 0 or self.engine.iteration == self.engine.iterations

    def _late(self) -> bool:
        return time.perf_counter() - self._saved >= 60 * self.recording.save_minutes

    def _record(self) -> None:
        """Adds a record; the first, before any iteration, has no losses and no eigenvalue."""
        found = self.search.derive()
        edges = [edge for cell in found.cells.values() for edge in cell.kept] if found.stage == "complete" else []
        losses = self._losses
        held_out = [loss for _, loss in losses if loss is not None]
        record = Record(
            iteration=self.engine.iteration,
            epoch=self.engine.iteration // self.engine.period,
            weight_loss=fmean(loss for loss, _ in losses) if losses else None,
            arch_loss=fmean(held_out) if held_out else None,
            skips=sum(edge.op == "skip_connect" for edge in edges) if edges else None,
            edges=len(edges) or None,
            eigenvalue=self.engine.curvature() if self._pending and self.recording.tracks else None,
            reward=self.engine.reward,
        )
        self.history = self.history.with_record(record, self._architecture())
        self._pending = []

    @property
    def _losses(self) -> list[tuple[float, float | None]]:
        """The losses since the last record, of weights and architecture."""
        return [(weight.number, None if arch is None else arch.number) for weight, arch in self._pending]

    def _architecture(self) -> Architecture:
        net = self.engine.net
        return {} if net is None else prefixed("alpha.", dict(net.alpha)) | prefixed("beta.", dict(net.beta))

    @torch.no_grad()
    def _assign(self, architecture: Architecture) -> None:
        for name, parameter in self._architecture().items():
            parameter.copy_(architecture[name])

    def _save(self) -> None:
        if self.checkpoints is None or not self._group.first:
            return
        tensors = self.engine.state() | prefixed(HISTORY, self.history.tensors())
        values = {"request": self.request, "history": self.history.values(), "pending": self._losses}
        self.checkpoints.write(State(tensors=tensors, values=values))
        self._write_tables()
        self._saved = time.perf_counter()

    def _advice(self) -> str:
        """Return the advice for when another process has ended."""
        if self.checkpoints is None or not self.checkpoints.exist():
            return "nothing is saved yet, so search again from the beginning"
        return f"{self.checkpoints.last} holds what was saved; give the same command with --resume"

    def _load_in_turn(self, checkpoints: Checkpoints) -> str:
        """The first process goes before the others, for it may find the last checkpoint damaged, and replace it."""
        with self._group.together(lambda: "give the same command again"):
            if self._group.first:
                return self._group.broadcast_text(self._load(checkpoints))
            self._group.broadcast_text()
            return self._load(checkpoints)

    def _load(self, checkpoints: Checkpoints) -> str:
        state, problem = checkpoints.read()
        tensors = dict(state.tensors)
        try:
            values = _Values.model_validate_json(json.dumps(state.values))
        except ValidationError as error:
            raise RunError(f"{checkpoints.last}: not a checkpoint of this search ({describe_error(error)})") from None
        # Numbers of another device differ in rounding only: a search may go on wherever there is room for it.
        if named := differences(present_names(values.request) | {"device": self.request.get("device")}, self.request):
            raise RunError(
                f"{checkpoints.last}: was searched with {named}; resume it with the same request, or delete "
                f"{checkpoints.last.parent} and start again"
            )
        try:
            self.engine.restore(tensors)
            if not 0 <= self.engine.iteration <= self.engine.iterations:
                raise ValueError(f"iteration {self.engine.iteration} of {self.engine.iterations}")
            recorded = [record.iteration for record in values.history]
            if recorded != sorted(set(recorded)) or not 0 <= max(recorded, default=0) <= self.engine.iteration:
                raise ValueError(f"records of iterations after {self.engine.iteration}, or twice of one")
            then = under(HISTORY, tensors)
            check_alike(then, self._like_history(len(values.history)))
            self.history = restored(values.history, then)
            self._pending = [
                (Reading(weight), None if arch is None else Reading(arch)) for weight, arch in values.pending
            ]
        except (FtsoError, KeyError, ValueError, TypeError, IndexError, RuntimeError) as error:
            reason = " ".join(str(error).split())[:120]
            raise RunError(f"{checkpoints.last}: not a checkpoint of this search ({reason})") from None
        return problem

    def _like_history(self, records: int) -> dict[str, torch.Tensor]:
        """Tensors of the shapes that the history of so many records has."""
        own = self._architecture() if records else {}
        return {name: value.detach().cpu().expand(records, *value.shape) for name, value in own.items()}

    def _write_tables(self) -> None:
        folder = self.recording.folder
        if folder is None or not self._group.first:
            return
        write_inside(folder / "metrics.csv", self.history.metrics())
        net = self.engine.net
        if net is not None and net.alpha:
            write_inside(folder / "alphas.csv", self.history.alphas(net))
        if net is not None and net.beta:
            write_inside(folder / "betas.csv", self.history.betas(net))
        for name, content in self.engine.tables().items():
            write_inside(folder / name, content)
