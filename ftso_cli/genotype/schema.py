"""The content of a genotype file, and the rules that every file keeps.

A cell is a directed acyclic multigraph. Nodes are numbered as in DARTS: 0 is the output of cell k-2, 1 that of cell
k-1, intermediate nodes follow; `concat` lists the nodes that form the output.
"""

import json
import math
from collections import Counter
from statistics import fmean
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    field_validator,
    model_validator,
)

from ftso_cli.errors import SpaceError, short
from ftso_cli.spaces import SPACES, Space, operator

FORMAT: Literal["ftso-genotype/1"] = "ftso-genotype/1"

Rank = Literal["beta", "gradient"]
"""The score by which an ensemble ranks edges: β at the end, or minus the mean gradient on it."""

MOST_SEEDS = 4096
"""Seeds that an ensemble may have."""

MOST_EDGES = 2048
"""Edges that a cell may have: one between any two of 64 nodes, and some to spare."""

LARGEST = 1e100
"""The bound of measured numbers. Single precision is far smaller; sums and squares of it are finite, too."""

Stage = Literal["searched", "pruned", "complete"]

Node = Annotated[int, Field(ge=0, lt=64)]
Name = Annotated[str, Field(min_length=1, max_length=100)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]


def _measured(value: float) -> float:
    if abs(value) > LARGEST:
        raise ValueError(f"{value:g} is not between {-LARGEST:g} and {LARGEST:g}")
    return value


Measured = Annotated[float, AfterValidator(_measured)]


def _finite(value: JsonValue) -> JsonValue:
    """JSON has no NaN and no infinity; pydantic checks that for its own floats, not inside a `JsonValue`.

    An integer of more than a double's digits can't be printed by Python, nor read by other programs.
    """
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} is not a finite number")
    if isinstance(value, int) and abs(value) >= 10**300:
        raise ValueError("is a number of more than 300 digits")
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            _finite(item)
    return value


Setting = Annotated[JsonValue, AfterValidator(_finite)]


def twice(text: str | bytes | bytearray) -> str | None:
    """A key that occurs twice in one object of JSON text, of which readers take either; None if none does."""
    found: list[str] = []

    def note(pairs: list[tuple[str, object]]) -> None:
        found.extend(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)

    # Numbers stay text: how many digits one may have is nothing that is looked at here.
    json.loads(text, object_pairs_hook=note, parse_int=str, parse_float=str)
    return found[0] if found else None


class Model(BaseModel):
    """Immutable, nothing unknown let in, no guessing of types, finite numbers only."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    @classmethod
    def model_validate_json(cls, json_data: str | bytes | bytearray, **settings: Any) -> Self:
        """The model in JSON text; raises `ValidationError`, for a key that stands twice in one object too."""
        found = super().model_validate_json(json_data, **settings)
        # Only now: what is valid is not nested deeply.
        if (key := twice(json_data)) is not None:
            problem = ValueError("stands twice in one object")
            raise ValidationError.from_exception_data(
                cls.__name__, [{"type": "value_error", "loc": (key,), "input": None, "ctx": {"error": problem}}]
            )
        return found


class Edge(Model):
    """An edge of a cell, with its operator and what the searches measured of it."""

    source: Node
    target: Node
    op: Name | None = Field(default=None, description="The operator; absent while several candidates are weighed.")
    kept: bool = Field(default=True, description="False where pruning has taken the edge out of the cell.")
    beta: Measured | None = Field(
        default=None, description="Topology search: the edge's parameter, before the softmax."
    )
    alpha: dict[Name, Measured] | None = Field(
        default=None, description="The candidates' parameters, before the softmax."
    )
    scores: tuple[Measured, ...] | None = Field(
        default=None, max_length=MOST_SEEDS, description="Ensemble: what each seed found the edge to be worth."
    )
    z: Measured | None = Field(
        default=None,
        description="Ensemble: how clearly the edge was kept (or left out, below 0), in standard errors over seeds.",
    )
    beta_ops: Measured | None = Field(
        default=None, description="Operator search: the edge's parameter, before the softmax."
    )

    @property
    def strength(self) -> float | None:
        """The number that ranks edges: the mean score of an ensemble's seeds, or β; None where nothing was searched."""
        return fmean(self.scores) if self.scores else self.beta

    def __str__(self) -> str:
        return f"{self.source}→{self.target}"


class Cell(Model):
    """One cell: edges in order of target, source and operator; `concat` in ascending order."""

    edges: tuple[Edge, ...] = Field(min_length=1, max_length=MOST_EDGES)
    concat: tuple[Node, ...] = Field(min_length=1, max_length=64)

    @field_validator("edges")
    @classmethod
    def _in_canonical_order(cls, edges: tuple[Edge, ...]) -> tuple[Edge, ...]:
        return tuple(sorted(edges, key=_order))

    @field_validator("concat")
    @classmethod
    def _distinct(cls, concat: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(concat)) < len(concat):
            raise ValueError(f"lists a node twice: {list(concat)}")
        return tuple(sorted(concat))

    @property
    def kept(self) -> tuple[Edge, ...]:
        """The edges that are part of the cell."""
        return tuple(edge for edge in self.edges if edge.kept)

    @property
    def nodes(self) -> tuple[int, ...]:
        """The intermediate nodes that kept edges lead into, in order."""
        return tuple(sorted({edge.target for edge in self.kept}))

    @property
    def targets(self) -> tuple[int, ...]:
        """The nodes that edges lead into, pruned ones included, in order."""
        return tuple(sorted({edge.target for edge in self.edges}))

    def ranked(self, node: int) -> list[Edge]:
        """All edges into `node`, strongest first; of equals, the earlier source first."""
        into = [edge for edge in self.edges if edge.target == node]
        return sorted(into, key=lambda edge: (-(edge.strength or 0.0), edge.source))

    def inputs_of(self, node: int) -> tuple[Edge, ...]:
        """The kept edges into `node`."""
        return tuple(edge for edge in self.kept if edge.target == node)


class Agreement(Model):
    """The share of kept edges that two disjoint halves of an ensemble have in common, and that of random wirings."""

    found: float = Field(ge=0, le=1)
    chance: float = Field(ge=0, le=1)


class Ensemble(Model):
    """A topology search from many seeds: what ranked the edges, and how far its halves agree, for each cell."""

    rank: Rank
    seeds: tuple[Seed, ...] = Field(min_length=1, max_length=MOST_SEEDS)
    agreement: dict[Name, Agreement] = {}


class Step(Model):
    """One thing that was done to the genotype. Equal work gives equal steps: times are kept apart, in `Times`."""

    command: Name
    settings: dict[Name, Setting] = {}
    seed: Seed | None = None
    data: str | None = None
    device: str | None = None
    versions: dict[Name, str] = {}
    notes: tuple[str, ...] = ()


class Times(Model):
    """The start of the step of the same position in `history`, the seconds of its phases, and its peak memory."""

    started: str
    seconds: dict[Name, float] = {}
    peak_memory_MB: int | None = Field(default=None, ge=0)


class Figures(Model):
    """The printed figures of one network: errors in percent, parameters and multiply-adds in millions.

    `error` is the CIFAR-10 test error after 600 epochs, or the ImageNet top-1 error.
    """

    error: float | None = Field(default=None, ge=0, le=100)
    error_std: float | None = Field(default=None, ge=0, le=100)
    error_1200_epochs: float | None = Field(default=None, ge=0, le=100)
    top5_error: float | None = Field(default=None, ge=0, le=100)
    params_M: float | None = Field(default=None, gt=0)
    madds_M: float | None = Field(default=None, gt=0)
    cutout: bool | None = None
    note: str | None = None


class Published(Model):
    """Figures that others print of a cell, and where. They are not checked; `ftso cost` counts."""

    cifar10: Figures | None = None
    imagenet: Figures | None = None
    search_gpu_days: float | None = Field(default=None, ge=0)
    searched_on: Name | None = None
    sources: tuple[str, ...] = ()


class About(Model):
    """The source of a published cell, and its authors' figures."""

    name: Name
    title: str | None = None
    year: int | None = Field(default=None, ge=1900, le=2999)
    aliases: tuple[Name, ...] = ()
    source: str | None = None
    note: str | None = None
    published: Published = Published()


class Genotype(Model):
    """A genotype file: a space, its cells, and the history of both."""

    format: Literal["ftso-genotype/1"]
    space: Name
    stage: Stage = Field(description="searched: all edges, weighed; pruned: wiring decided; complete: operators too.")
    about: About | None = None
    searched_ops: tuple[Name, ...] = Field(
        default=(), description="The operators in the super-net of the topology search."
    )
    ensemble: Ensemble | None = Field(default=None, description="Where many seeds were searched.")
    cells: dict[Name, Cell]
    history: tuple[Step, ...] = ()
    times: tuple[Times, ...] = ()

    @model_validator(mode="after")
    def _keeps_the_rules(self) -> Self:
        if self.space not in SPACES:
            raise ValueError(f"space: {short(self.space)} is none of {', '.join(SPACES)}")
        space = SPACES[self.space]
        if set(self.cells) != set(space.kinds):
            raise ValueError(
                f"cells: the {self.space} space needs {' and '.join(space.kinds)}, not {short(', '.join(self.cells))}"
            )
        for name in self.searched_ops:
            if problem := _unknown_operator(name, space):
                raise ValueError(f"searched_ops: {problem}")
        for kind in space.kinds:
            _check_cell(kind, self.cells[kind], space, self.stage)
        if problem := self._ensemble_problem():
            raise ValueError(problem)
        if len(self.times) != len(self.history):
            raise ValueError(f"times: {len(self.times)} entries for {len(self.history)} steps of history")
        return self

    def _ensemble_problem(self) -> str | None:
        if self.ensemble is None:
            return None
        if unknown := set(self.ensemble.agreement) - set(self.cells):
            return f"ensemble.agreement: {short(', '.join(sorted(unknown)))} is no cell of this file"
        seeds = len(self.ensemble.seeds)
        for kind, cell in self.cells.items():
            for edge in cell.edges:
                if edge.scores is None or len(edge.scores) != seeds:
                    return f"cells.{kind}: edge {edge}: {len(edge.scores or ())} scores for {seeds} seeds"
        return None

    def __str__(self) -> str:
        """The wiring to read: a line for each node, with the sources and operators of its kept edges."""
        lines = [f"{self.space} genotype, {self.stage}"]
        for kind, cell in self.cells.items():
            lines.append(kind)
            for node in cell.nodes:
                inputs = (f"{edge.source} {edge.op or ''}".rstrip() for edge in cell.inputs_of(node))
                lines.append(f"  {node} ← {', '.join(inputs)}")
            lines.append(f"  out {', '.join(map(str, cell.concat))}")
        return "\n".join(lines)

    def replace(self, **changes: Any) -> "Genotype":
        """A copy with other values, checked like a file."""
        return Genotype(**{**{name: getattr(self, name) for name in type(self).model_fields}, **changes})

    def with_step(self, step: Step, times: Times, **changes: Any) -> "Genotype":
        """A copy with one more step of history, and other values."""
        return self.replace(history=(*self.history, step), times=(*self.times, times), **changes)


def _order(edge: Edge) -> tuple[Any, ...]:
    """Equal edges are neighbours, so equal sets of edges make equal cells and equal files.

    `kept` comes after all that was searched: pruning must not change the order of edges that tie.
    """
    measured = tuple((value is not None, value or 0.0) for value in (edge.strength, edge.beta, edge.beta_ops))
    alpha = (edge.alpha is not None, sorted((edge.alpha or {}).items()))
    return edge.target, edge.source, edge.op or "", measured, alpha, edge.kept, edge.model_dump_json()


def _check_cell(kind: str, cell: Cell, space: Space, stage: Stage) -> None:
    for edge in cell.edges:
        if problem := _problem(edge, space, stage):
            raise ValueError(f"cells.{kind}: edge {edge}: {problem}")
    # Edges lead to later nodes, so a path leads from an input to every node that each node on the way has an edge into.
    fed = {*range(space.inputs), *cell.nodes}
    for edge in cell.kept:
        if edge.source not in fed:
            raise ValueError(f"cells.{kind}: edge {edge}: node {edge.source} is not reached from an input")
    for node in cell.concat:
        if node not in fed:
            raise ValueError(f"cells.{kind}: concat: node {node} doesn't exist or is not reached from an input")
        if node < space.inputs and space.stride(kind, node) > 1:
            raise ValueError(f"cells.{kind}: concat: input {node} is larger than the output of a reduction cell")


def _problem(edge: Edge, space: Space, stage: Stage) -> str | None:
    """The rule that an edge breaks, or None."""
    if edge.target < space.inputs:
        return f"node {edge.target} is an input of the cell and takes no edge"
    if edge.source >= edge.target:
        return "a source must be an earlier node than its target (this also keeps the cell free of cycles)"
    for name in (*([] if edge.op is None else [edge.op]), *(edge.alpha or ())):
        if problem := _unknown_operator(name, space):
            return problem
    if edge.kept and edge.op is None and (stage == "complete" or not edge.alpha):
        return "has no operator"
    return None


def _unknown_operator(name: str, space: Space) -> str | None:
    try:
        operator(name, space.operators)
    except SpaceError as error:
        return str(error)
    return None
