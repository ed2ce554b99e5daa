"""The checkpoint of a race: its finished runs in one JSON file, written anew after each, so that a kill loses none."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, Field, ValidationError, field_validator

from ftso_cli.errors import RunError, differences
from ftso_cli.files import read_bytes, write_inside
from ftso_cli.genotype.schema import Measured, Model
from ftso_cli.genotype.storage import describe_error
from ftso_cli.search.race.ranking import Result
from ftso_cli.search.race.topologies import Inputs, Topology
from ftso_cli.settings.options import present_names
from ftso_cli.spaces import DARTS

FORMAT: Literal["ftso-race/3"] = "ftso-race/3"
LIMIT = 64_000_000
"""Bytes of a file; a race of a million steps has 20 million."""

Name = Annotated[str, Field(pattern="^(draw|mutate|semifinal|final)$")]
"""The rungs of a race."""

MOST_STEPS = 10_000_000
"""Steps of a unit; a race of so many takes years."""


class FinishedRun(Model):
    """A finished run, as the file holds it."""

    # Version 0.1 called it a heat.
    rung: Annotated[Name, Field(validation_alias=AliasChoices("rung", "heat"))]
    cells: tuple[Inputs, ...]
    init: Annotated[int, Field(ge=0, lt=100)]
    losses: Annotated[tuple[Measured, ...], Field(min_length=1)]

    @field_validator("cells")
    @classmethod
    def _reads_earlier_nodes(cls, cells: tuple[Inputs, ...]) -> tuple[Inputs, ...]:
        Topology(cells).genotype(DARTS.default_operator)
        return cells


class RaceCheckpointContent(Model):
    """The file: what is raced, the unit of steps from each rung on that has begun, and the runs so far."""

    format: Literal["ftso-race/3"]
    settings: dict[str, Any]
    seed: int
    data: str
    units: Mapping[Name, Annotated[int, Field(ge=1, le=MOST_STEPS)]] = Field(default_factory=dict)
    runs: tuple[FinishedRun, ...] = ()


class RaceCheckpoint:
    """The runs of a race that are done, in memory and, where there is a path, on disk."""

    def __init__(self, record: RaceCheckpointContent, path: Path | None = None) -> None:
        self._record, self._path = record, path
        self.results = [
            Result(rung=run.rung, topology=Topology(run.cells), init=run.init, losses=run.losses) for run in record.runs
        ]

    @property
    def units(self) -> Mapping[str, int]:
        """The unit of steps from a rung on, as far as rungs have begun."""
        return self._record.units

    @property
    def steps(self) -> Mapping[str, int]:
        """The steps that all runs of a rung have, of each rung that has begun."""
        rungs = dict.fromkeys(result.rung for result in self.results)
        return {rung: min(result.steps for result in self.results if result.rung == rung) for rung in rungs}

    def close(self) -> None:
        """Takes the file away: the race is over."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def begin(self, rung: str, unit: int) -> None:
        """Notes the unit of steps from this rung on."""
        self._record = self._record.model_copy(update={"units": {**self._record.units, rung: unit}})
        self._write()

    def add(self, result: Result) -> None:
        """Notes a finished run."""
        run = FinishedRun(rung=result.rung, cells=result.topology.cells, init=result.init, losses=result.losses)
        self._record = self._record.model_copy(update={"runs": (*self._record.runs, run)})
        self.results.append(result)
        self._write()

    def _write(self) -> None:
        if self._path is not None:
            write_inside(self._path, self._record.model_dump_json(indent=1).encode())


def open_checkpoint(
    settings: dict[str, Any], seed: int, data: str, path: Path | None, *, resume: bool
) -> RaceCheckpoint:
    """The checkpoint of a race: a new one, or with `resume` that of a race that was stopped.

    Raises `RunError` where there is one already, or where there is none to resume, or one of another race.
    """
    asked = RaceCheckpointContent(format=FORMAT, settings=settings, seed=seed, data=data)
    if resume:
        if path is None:
            raise RunError(
                "a race that writes to - keeps no checkpoint, so there is nothing to resume; name a file with -o"
            )
        if not path.exists():
            raise RunError(f"there is no {path}, so there is nothing to resume; leave --resume out")
        return RaceCheckpoint(_matching(asked, path), path)
    if path is not None and path.exists():
        raise RunError(f"{path} holds a race that was stopped; go on with --resume, or delete it")
    return RaceCheckpoint(asked, path)


def _matching(asked: RaceCheckpointContent, path: Path) -> RaceCheckpointContent:
    try:
        record = RaceCheckpointContent.model_validate_json(read_bytes(path, limit=LIMIT))
    except ValidationError as error:
        raise RunError(
            f"{path}: no checkpoint of a race ({describe_error(error)}); delete it and start again"
        ) from None
    was, now = ({**present_names(each.settings), "seed": each.seed, "data": each.data} for each in (record, asked))
    if changed := differences(was, now):
        raise RunError(f"{path}: was raced with {changed}; resume it with the same request")
    return record
