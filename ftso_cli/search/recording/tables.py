"""The tables in which a search keeps α and β over time, read again. No torch.

`recorded` gives a searched cell as the search had it at an earlier record.
"""

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ftso_cli.errors import FileError, RunError, short
from ftso_cli.genotype import Cell, Edge, Genotype
from ftso_cli.genotype.storage import describe_error

MOST_LINES = 1_000_000
"""Lines of a table that are looked at."""

MOST_WANTED = 120_000
"""Lines of the wanted iterations together."""

FEW = 12
"""Records that a message lists."""

Count = Annotated[int, Field(ge=0, lt=2**63)]
Node = Annotated[int, Field(ge=0, lt=64)]


class Row(BaseModel):
    """A line of a table."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Beta(Row):
    """A line of betas.csv."""

    iteration: Count
    cell: str
    source: Node
    target: Node
    beta: float
    share: Annotated[float, Field(ge=0, le=1)]


class Alpha(Row):
    """A line of alphas.csv."""

    iteration: Count
    cell: str
    source: Node
    target: Node
    operator: str
    alpha: float
    share: Annotated[float, Field(ge=0, le=1)]


AnyRow = TypeVar("AnyRow", bound=Row)


def rows(
    path: Path,
    row: type[AnyRow],
    wanted: set[int] | None = None,
    most: int = MOST_LINES,
    by: str = "iteration",
) -> Iterator[AnyRow]:
    """Yield the lines of a table, those whose column `by` is `wanted`; none where there is no table."""
    try:
        for count, line in enumerate(table_lines(path, wanted, most, by)):
            if wanted is not None and count >= MOST_WANTED:
                raise RunError(f"{path}: has more than {MOST_WANTED:,} lines of {len(wanted)} iterations")
            yield row.model_validate(line)
    except ValidationError as error:
        raise RunError(f"{path}: no table of a search ({describe_error(error)})") from None


def table_lines(
    path: Path, wanted: set[int] | None, most: int = MOST_LINES, by: str = "iteration"
) -> Iterator[Mapping[str, str]]:
    """Yield the lines of a table as text by column, not checked yet, those whose column `by` is `wanted`."""
    if not path.is_file():
        return
    try:
        with path.open(newline="", encoding="utf-8") as file:
            found = csv.reader(file)
            names = next(found, [by])
            at = names.index(by)
            for number, line in enumerate(filter(None, found), 2):
                if number > most:
                    raise RunError(f"{path}: has more than {most:,} lines")
                if len(line) != len(names):
                    raise ValueError(f"line {number} has {len(line)} fields, not {len(names)}")
                if wanted is None or int(line[at]) in wanted:
                    yield dict(zip(names, line, strict=True))
    except (ValueError, csv.Error) as error:
        raise RunError(f"{path}: no table of a search ({short(str(error))})") from None
    except OSError as error:
        raise FileError(f"{path}: can't be read ({error.strerror or error})") from None


def recorded(genotype: Genotype, folder: Path, iteration: int) -> Genotype:
    """Return a searched genotype with α and β as they were at a record of the search that `folder` has the history of.

    Raises `RunError` where there is no such history or no such record, or it is that of another cell.
    """
    table = folder / "betas.csv"
    records: dict[int, dict[tuple[str, int, int], float]] = {}
    for row in rows(table, Beta):
        records.setdefault(row.iteration, {})[row.cell, row.source, row.target] = row.beta
    if not records:
        raise RunError(f"{table}: no history of a search; searches by β of more than one iteration keep one")
    if _betas(genotype) not in records.values():
        raise RunError(f"{folder}: holds the history of another search; name that of this cell with --run FOLDER")
    if any(record.keys() != _betas(genotype).keys() for record in records.values()):
        raise RunError(f"{table}: not every record has the same edges; was it edited?")
    if iteration not in records:
        known = ", ".join(map(str, sorted(records)[:FEW])) + (", ..." if len(records) > FEW else "")
        raise RunError(f"{table}: has no record at iteration {iteration}; it has {known} (--every sets how often)")
    alphas: dict[tuple[str, int, int], dict[str, float]] = {}
    for line in rows(folder / "alphas.csv", Alpha, {iteration}):
        alphas.setdefault((line.cell, line.source, line.target), {})[line.operator] = line.alpha

    def at_record(kind: str, edge: Edge) -> Edge:
        place = kind, edge.source, edge.target
        return edge.model_copy(update={"beta": records[iteration][place], "alpha": alphas.get(place, edge.alpha)})

    cells = {
        kind: Cell(edges=tuple(at_record(kind, edge) for edge in cell.edges), concat=cell.concat)
        for kind, cell in genotype.cells.items()
    }
    try:
        return genotype.replace(cells=cells)
    except ValidationError as error:
        raise RunError(f"{folder}: no history of this cell ({describe_error(error)})") from None


def _betas(genotype: Genotype) -> dict[tuple[str, int, int], float | None]:
    return {(kind, edge.source, edge.target): edge.beta for kind, cell in genotype.cells.items() for edge in cell.edges}
