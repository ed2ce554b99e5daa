"""The verb that runs the paper's comparison on the NATS-Bench space again: nats_table2."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import fmean, stdev
from typing import TYPE_CHECKING, get_args

from ftso_cli.api.listening import Listener
from ftso_cli.api.query import reached, read_queried_table
from ftso_cli.api.search.recorded import telling
from ftso_cli.api.verbs import verb
from ftso_cli.benchmarks.ledger import Ledger, SearchKey
from ftso_cli.benchmarks.nats import Table
from ftso_cli.genotype.formats.nats import architecture
from ftso_cli.locks import locked
from ftso_cli.settings.requests.tables import OWN_LENGTH, ByTable, NatsMethod, NatsTable2Request
from ftso_cli.settings.values import seeds_of
from ftso_cli.spaces import NATS
from ftso_cli.spaces.nats import DATA_SETS, KIND

if TYPE_CHECKING:
    import torch

    from ftso_cli.data import ImageData


@dataclass(frozen=True, kw_only=True)
class FoundCell:
    """The architecture string that a search from a seed has found, and its seconds, now or when it ran."""

    seed: int
    cell: str
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Accuracies:
    """Test accuracies over seeds, in percent; `std` is None for one seed."""

    mean: float
    std: float | None
    best: float


@dataclass(frozen=True, kw_only=True)
class MethodRow:
    """A row of the comparison: accuracies by data set, mean seconds, and the cell of each seed."""

    data_sets: Mapping[str, Accuracies]
    seconds: float
    runs: tuple[FoundCell, ...]


@verb(NatsTable2Request)
def nats_table2(request: NatsTable2Request) -> dict[str, MethodRow]:
    """Run the paper's Table 2 again: methods and seeds on a small super-net, what they find looked up in a table.

    `method` are those to run, all unless given; `output` keeps every finished search, which is not run again. Random
    and local search, evolution, REINFORCE and PNAS look into the table while they search, at `queries` cells. Returns a
    row for each method.
    """
    return compare_methods(request, Listener(request.progress))


def compare_methods(request: NatsTable2Request, listener: Listener) -> dict[str, MethodRow]:
    """Run the searches of a request that are not done yet, and look up what all have found."""
    output, seeds = Path(request.output), seeds_of(request.seeds)
    table = read_queried_table(request, listener)
    rows: dict[str, MethodRow] = {}
    with telling(listener, lambda: _kept(output)), locked(output), listener.bar("nats-table2", "search") as update:
        searches = _Searches(request, table, listener)
        for name in request.method:
            runs: list[FoundCell] = []
            for seed in seeds:
                update(len(rows) * len(seeds) + len(runs), len(request.method) * len(seeds), name)
                runs.append(searches.run(name, seed))
            rows[name] = _row(runs, table)
    return rows


def _kept(output: Path) -> str:
    return f"{output} keeps the searches that are done; the same command goes on" if output.exists() else ""


class _Searches:
    """The searches of one request: those that the ledger holds, and new ones on images that are read when needed."""

    def __init__(self, request: NatsTable2Request, table: Table, listener: Listener) -> None:
        self._request, self._table, self._listener = request, table, listener
        self._ledger = Ledger(Path(request.output))

    def run(self, method: NatsMethod, seed: int) -> FoundCell:
        """Return what a search finds, or found when it ran."""
        if method in get_args(ByTable):
            return self._on_table(method, seed)
        key = SearchKey(
            method=method,
            seed=seed,
            data=os.fspath(self._request.data),
            image_size=self._request.image_size,
            iters=None if method in OWN_LENGTH else self._request.iters,
        )
        done = self._ledger.find(key)
        if done is None:
            from ftso_cli.search.nats_methods import RUNS

            images, device = self._images
            started = time.perf_counter()
            cell = RUNS[method](images, seed, self._request.iters, device).cells[KIND]
            done = self._ledger.add(key, architecture(cell), round(time.perf_counter() - started, 2))
        return FoundCell(seed=seed, cell=done.cell, seconds=done.seconds)

    def _on_table(self, method: NatsMethod, seed: int) -> FoundCell:
        from ftso_cli.search.blackbox.domain import cells_domain
        from ftso_cli.search.blackbox.engine import AskTellEngine
        from ftso_cli.search.blackbox.searchers import SEARCHERS

        started = time.perf_counter()
        domain = cells_domain(NATS, NATS.nodes, NATS.candidates)
        searcher = SEARCHERS[method](domain, seed=seed, evaluations=self._request.queries)
        engine = AskTellEngine(searcher, reached(self._table))
        engine.run(lambda progress: None)
        cell = architecture(engine.best().cells[KIND])
        return FoundCell(seed=seed, cell=cell, seconds=round(time.perf_counter() - started, 2))

    @cached_property
    def _images(self) -> "tuple[ImageData, torch.device]":
        from ftso_cli.data import open_images, read_training_images
        from ftso_cli.nn.device import choose_device

        images = open_images(os.fspath(self._request.data), image_size=self._request.image_size)
        with self._listener.bar("read images", "image") as update:
            images = read_training_images(images, update)
        return images, choose_device(self._request.device)


def _row(runs: list[FoundCell], table: Table) -> MethodRow:
    scores = [table.find(run.cell).scores for run in runs]
    sets = {}
    for name in DATA_SETS:
        values = [score[name].accuracy for score in scores]
        spread = stdev(values) if len(values) > 1 else None
        sets[name] = Accuracies(mean=fmean(values), std=spread, best=max(values))
    return MethodRow(data_sets=sets, seconds=round(fmean(run.seconds for run in runs), 2), runs=tuple(runs))
