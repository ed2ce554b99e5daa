"""The verb that looks cells up in a table of NATS-Bench: query."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ftso_cli.api.cells import error_context, read, reference_name, reference_names
from ftso_cli.api.listening import Listener
from ftso_cli.api.verbs import verb
from ftso_cli.benchmarks.nats import Table, TableScore
from ftso_cli.benchmarks.tables import read_table
from ftso_cli.costs.conventions import multiply_adds
from ftso_cli.costs.network import network_cost
from ftso_cli.errors import GenotypeError
from ftso_cli.genotype import Genotype, formats
from ftso_cli.genotype.edit import require_complete
from ftso_cli.genotype.formats.nats import architecture
from ftso_cli.settings.asktell import AskTellSettings
from ftso_cli.settings.options import OptionError
from ftso_cli.settings.requests.tables import OnTable, QueryRequest
from ftso_cli.settings.shared import CellLike
from ftso_cli.spaces import NATS
from ftso_cli.spaces.nats import DATA_SETS, KIND


@dataclass(frozen=True, kw_only=True)
class TableResult:
    """The accuracies of a cell on a data set, in percent, and its network's size; flops as the benchmark counts."""

    score: TableScore
    params: int
    flops: int


@dataclass(frozen=True, kw_only=True)
class QueriedCell:
    """The entry of a cell in the table, by data set."""

    cell: str
    architecture: str
    index: int
    data_sets: Mapping[str, TableResult]


@dataclass(frozen=True, kw_only=True)
class QueryResult:
    """The entries of some cells, and the `table`, whose `summary` has statistics of all."""

    cells: tuple[QueriedCell, ...]
    table: Table


@verb(QueryRequest)
def query(request: QueryRequest) -> QueryResult:
    """Look up what cells of the nats space reached on CIFAR-10, CIFAR-100 and ImageNet16-120, by a table.

    `cells` are genotypes, files or architecture strings; without any, the result has the `table` alone. A folder of
    records is read with `trust_pickle` only: pickles can run any code.
    Raises `GenotypeError` for a cell of another space, `TableError` for a table that is damaged.
    """
    return look_up(request, Listener())


def look_up(request: QueryRequest, listener: Listener) -> QueryResult:
    """Look up the cells of a request."""
    names = reference_names(request.cells)
    asked = [(name, *_loaded(cell)) for name, cell in zip(names, request.cells, strict=True)]
    table = read_queried_table(request, listener)
    return QueryResult(cells=tuple(_answer(*one, table) for one in asked), table=table)


def read_queried_table(request: OnTable, listener: Listener) -> Table:
    """Read the table of a request, behind a progress bar where it is made of many records."""
    path = Path(request.table)
    if not path.is_dir():
        return read_table(path, trust_pickle=request.trust_pickle)
    with listener.bar("read records", "record") as update:
        return read_table(path, trust_pickle=request.trust_pickle, on_record=update)


def table_lookup(settings: object) -> Callable[[Genotype], float] | None:
    """Return what looks cells up in the table of a search, None where it has none."""
    if not isinstance(settings, AskTellSettings) or settings.table is None:
        return None
    path = Path(settings.table)
    if path.is_dir():
        raise OptionError("table", f"{path} is a folder; a search takes the table as a CSV file")
    return reached(read_table(path))


def reached(table: Table) -> Callable[[Genotype], float]:
    """Return what looks up the accuracy of a cell on CIFAR-10, in percent."""
    return lambda genotype: table.find(architecture(genotype.cells[KIND])).scores["cifar10"].accuracy


def _loaded(cell: CellLike) -> tuple[Genotype, str]:
    """Return the genotype that is meant, and its architecture string; errors name it."""
    text = "" if isinstance(cell, Genotype) else os.fspath(cell)
    given = "|" in text and not os.path.exists(text)
    genotype = formats.import_genotype_text(text, NATS.name).genotype if given else read(cell)
    with error_context(reference_name(cell)):
        if genotype.space != NATS.name:
            raise GenotypeError(f"is of the {genotype.space} space, and the table has cells of the nats space")
        require_complete(genotype, "query")
        return genotype, architecture(genotype.cells[KIND])


def _answer(name: str, genotype: Genotype, text: str, table: Table) -> QueriedCell:
    entry, data_sets = table.find(text), {}
    for key, one in DATA_SETS.items():
        cost = network_cost(genotype, one.shape, (one.pixels, one.pixels))
        data_sets[key] = TableResult(
            score=entry.scores[key], params=cost.params, flops=multiply_adds(cost.total, "bias")
        )
    return QueriedCell(cell=name, architecture=text, index=entry.index, data_sets=data_sets)
