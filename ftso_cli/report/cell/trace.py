"""The history in a search's folder: losses, and the shares of β and α over time, thinned to what a page holds."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from pydantic import Field

from ftso_cli.errors import RunError, short
from ftso_cli.files import RUN_CONFIG
from ftso_cli.genotype import Genotype
from ftso_cli.search.recording.tables import Alpha, Beta, Count, Row, rows, table_lines
from ftso_cli.spaces import OPERATORS, SPACES, Space
from ftso_cli.training.run import Number

MOST_RECORDS = 60
"""Moments of a search that a page shows; of more, every so-manieth."""

MOST_NUMBERS = 60_000
"""Shares of all moments together; a search of large cells shows fewer moments."""

MOST_METRICS = 100_000
"""Lines of metrics.csv that are read: a record each."""

Ends = tuple[int, int]
"""An edge: its source and its target."""


class TraceRow(Row):
    """A line of metrics.csv; see `search.history.Record`."""

    iteration: Count
    epoch: Count
    weight_loss: Number
    arch_loss: Number
    skips: Number
    edges: Number
    eigenvalue: Number
    reward: Number = None


class EvaluationRow(Row):
    """A line of evaluations.csv; searches of earlier versions wrote no costs, and no effort."""

    evaluation: Count
    seconds: Annotated[float, Field(ge=0)]
    effort: Annotated[Count, Field(ge=1)] = 1
    reward: Number
    best: Number
    cell: Annotated[str, Field(max_length=4000)]
    params: Number = None
    macs: Number = None
    milliseconds: Number = None

    @property
    def decided(self) -> bool:
        """True for a whole cell; progressive search also evaluates those that still grow."""
        return "-" not in self.cell.split()


@dataclass(frozen=True, kw_only=True)
class CellTrace:
    """The edges of a cell of one kind over time.

    `betas` holds a mapping a moment: each edge's share of its node's input. `alphas` likewise: each edge's shares of
    `ops`. Both are empty where they were not searched.
    """

    edges: tuple[Ends, ...]
    ops: tuple[str, ...]
    betas: tuple[Mapping[Ends, float], ...]
    alphas: tuple[Mapping[Ends, tuple[float, ...]], ...]

    def at(self, places: Sequence[int]) -> "CellTrace":
        """The same cell at these of its moments alone."""
        betas = tuple(self.betas[at] for at in places) if self.betas else ()
        alphas = tuple(self.alphas[at] for at in places) if self.alphas else ()
        return replace(self, betas=betas, alphas=alphas)


@dataclass(frozen=True, kw_only=True)
class Trace:
    """A search over time: the moments that are shown, of `total` that were recorded."""

    name: str
    command: str | None
    records: tuple[TraceRow, ...]
    total: int
    cells: Mapping[str, CellTrace]
    evaluated: tuple[EvaluationRow, ...] = ()
    """Whole cells that were evaluated, each as it was last; of several efforts those of the greatest alone."""

    @property
    def space(self) -> Space | None:
        """The space whose kinds of cells these are."""
        return next((space for space in SPACES.values() if set(space.kinds) == set(self.cells)), None)

    def thinned(self, most: int) -> "Trace":
        """The same search with at most so many moments."""
        places = _places(len(self.records), most)
        return replace(
            self,
            records=tuple(self.records[at] for at in places),
            cells={kind: cell.at(places) for kind, cell in self.cells.items()},
        )


def is_search(folder: Path) -> bool:
    """Return True for the folder of a search's history."""
    return (folder / "metrics.csv").is_file() and not (folder / RUN_CONFIG).exists()


def read_trace(folder: Path, command: str | None = None) -> Trace:
    """The search that kept its history in `folder`, CELL.COMMAND where no other command is named.

    Raises `RunError` where its tables are none of a search.
    """
    records = tuple(rows(folder / "metrics.csv", TraceRow, most=MOST_METRICS))
    if not records:
        raise RunError(f"{folder / 'metrics.csv'}: has no records; the search was stopped before its first")
    shown = _thinned(records, MOST_RECORDS)
    betas, alphas = folder / "betas.csv", folder / "alphas.csv"
    ahead = {record.iteration for record in shown[:1]}
    numbers = sum(sum(1 for _ in table_lines(path, ahead)) for path in (betas, alphas))
    if numbers > MOST_NUMBERS:
        raise RunError(
            f"{folder}: has {numbers:,} shares at one moment, and no search weighs more than {MOST_NUMBERS:,}"
        )
    shown = _thinned(shown, max(2, min(MOST_RECORDS, MOST_NUMBERS // max(1, numbers))))
    wanted = {record.iteration for record in shown}
    cells = _cells(folder, shown, list(rows(betas, Beta, wanted)), list(rows(alphas, Alpha, wanted)))
    name = command or folder.name
    if command is None and "." in folder.name:
        command = folder.name.rpartition(".")[2]
    return Trace(
        name=name,
        command=command,
        records=shown,
        total=len(records),
        cells=cells,
        evaluated=_comparable(rows(folder / "evaluations.csv", EvaluationRow, by="evaluation")),
    )


def _comparable(evaluations: Iterable[EvaluationRow]) -> tuple[EvaluationRow, ...]:
    """The whole cells of the greatest effort, each as it was evaluated last."""
    each = {row.cell: row for row in evaluations if row.decided}
    most = max((row.effort for row in each.values()), default=1)
    return tuple(row for row in each.values() if row.effort == most)


def is_history(trace: Trace, genotype: Genotype) -> bool:
    """Return True where the cell can be from this search: no other one, shorter or without a history, came later."""
    steps = [step for step in genotype.history if step.command == trace.command]
    if not steps:
        return False
    settings = steps[-1].settings
    of_many = settings.get("rank", "beta") != "beta" or (trace.command == "search-topology" and genotype.ensemble)
    length = settings.get("iters")
    return not of_many and not (isinstance(length, int) and trace.records[-1].iteration > length)


def _thinned(records: tuple[TraceRow, ...], most: int) -> tuple[TraceRow, ...]:
    return tuple(records[at] for at in _places(len(records), most))


def _places(count: int, most: int) -> list[int]:
    """At most so many places of `count`, evenly chosen, the first and the last among them."""
    if count <= most:
        return list(range(count))
    return [round(at * (count - 1) / (most - 1)) for at in range(most)]


def _cells(
    folder: Path, records: Sequence[TraceRow], betas: Sequence[Beta], alphas: Sequence[Alpha]
) -> dict[str, CellTrace]:
    """The cells of the shown records, in the order in which the tables have them."""
    for row in alphas:
        if row.operator not in OPERATORS:
            raise RunError(f"{folder / 'alphas.csv'}: {short(row.operator)} is no operator")
    rows: list[Beta | Alpha] = [*betas, *alphas]
    kinds = dict.fromkeys(row.cell for row in rows)
    if kinds and not any(set(space.kinds) == set(kinds) for space in SPACES.values()):
        raise RunError(f"{folder}: has cells of the kinds {short(', '.join(kinds))}, which no space has")
    try:
        return {
            kind: _cell(
                [record.iteration for record in records],
                [row for row in betas if row.cell == kind],
                [row for row in alphas if row.cell == kind],
            )
            for kind in kinds
        }
    except KeyError:
        raise RunError(f"{folder}: its tables don't have the same records and edges; were they edited?") from None


def _cell(iterations: Sequence[int], betas: Sequence[Beta], alphas: Sequence[Alpha]) -> CellTrace:
    """Raises `KeyError` where an edge or an operator lacks at some iteration."""
    beta = {(row.iteration, row.source, row.target): row.share for row in betas}
    alpha = {(row.iteration, row.source, row.target, row.operator): row.share for row in alphas}
    both: list[Beta | Alpha] = [*betas, *alphas]
    edges = tuple(sorted({(row.source, row.target) for row in both}, key=lambda ends: (ends[1], ends[0])))
    ops = tuple(dict.fromkeys(row.operator for row in alphas))
    return CellTrace(
        edges=edges,
        ops=ops,
        betas=tuple({ends: beta[at, *ends] for ends in edges} for at in iterations) if beta else (),
        alphas=tuple({ends: tuple(alpha[at, *ends, op] for op in ops) for ends in edges} for at in iterations)
        if alpha
        else (),
    )
