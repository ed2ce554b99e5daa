"""`ftso nats-table2`: the paper's comparison on the NATS-Bench space, run again."""

import time
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ftso_cli.benchmarks.evolution import evolve
from ftso_cli.benchmarks.ledger import Ledger, Request
from ftso_cli.benchmarks.nats import Table
from ftso_cli.benchmarks.paper import TABLE_2
from ftso_cli.benchmarks.tables import read_table
from ftso_cli.cli import common
from ftso_cli.cli.console import aligned, note, print_json, say
from ftso_cli.cli.progress import bar
from ftso_cli.genotype.formats.nats import architecture
from ftso_cli.locks import alone
from ftso_cli.settings.values import seeds_of
from ftso_cli.spaces.nats import DATA_SETS, KIND

if TYPE_CHECKING:
    import torch

    from ftso_cli.data import ImageData


class Method(StrEnum):
    """The values of --method."""

    assign_ops = "assign-ops"
    search_ops = "search-ops"
    capacity = "capacity"
    darts_1st = "darts-1st"
    darts_2nd = "darts-2nd"
    random = "random"
    evolution = "evolution"

    @property
    def takes_iters(self) -> bool:
        """Whether --iters is its length: assign-ops has none, and capacity one of its own."""
        return self not in (Method.assign_ops, Method.capacity)


def nats_table2(
    table: Annotated[
        Path,
        typer.Option(
            "--table", "-t", metavar="FILE", help="The table: CSV, plain or gzipped, or a folder of `simple` records."
        ),
    ],
    data: common.DataOption = common.DEFAULT_DATA,
    method: Annotated[
        list[Method] | None,
        typer.Option(
            "--method", "-m", metavar="METHOD", help=f"Only these (repeated): {', '.join(Method)}.", show_default="all"
        ),
    ] = None,
    seeds: Annotated[str, typer.Option(metavar="SEEDS", help="As in 0-9 or 3,5,8.")] = "0-2",
    iters: Annotated[int, typer.Option("--iters", "-i", min=1, help="Iterations of a search by gradient.")] = 50,
    queries: Annotated[int, typer.Option(min=1, help="Cells that evolution may look up while it searches.")] = 100,
    trust_pickle: common.TrustOption = False,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Keeps every finished search.")] = Path(
        "nats-table2.json"
    ),
    image_size: common.ImageSizeOption = None,
    device: common.DeviceOption = "auto",
    as_json: common.JsonOption = False,
) -> None:
    """Run the paper's Table 2 again: methods and seeds on a small super-net, what they find looked up in the table.

    assign-ops, search-ops and capacity are FTSO with each way to choose the operators. Only evolution looks into the
    table while it searches, at `--queries` test accuracies on CIFAR-10: each would be a training of 200 epochs.

    Searches that --output holds already, by the same method, seed, images and length, are not run again: a command that
    was stopped goes on, and more seeds or methods add to what is there.

    Examples: `ftso nats-table2 --table nats_bench.csv.gz --data cifar10` ·
    `ftso nats-table2 -t nats_bench.csv.gz -d cifar10 -m darts-1st -m capacity --seeds 0-9`
    """
    members, chosen = seeds_of(seeds), list(dict.fromkeys(method or Method))
    found = read_table(table, trust_pickle=trust_pickle)
    rows: dict[str, dict[str, Any]] = {}
    with common.telling(lambda: _kept(output)), alone(output), bar("nats-table2", "search") as progress:
        searches = Searches(Ledger(output), data, image_size, iters, device)
        for name in chosen:
            runs: list[dict[str, Any]] = []
            for seed in members:
                progress.update(len(rows) * len(members) + len(runs), len(chosen) * len(members), name.value)
                run = _evolved(found, queries, seed) if name is Method.evolution else searches.run(name, seed)
                runs.append({"seed": seed, **run})
            rows[name.value] = _summary(runs, found)
    if as_json:
        print_json(
            {"table": str(table), "data": data, "iters": iters, "queries": queries, "paper": TABLE_2, "methods": rows}
        )
        return
    for line in _lines(rows):
        say(line)
    note("mean ± standard deviation over seeds, and the best; test accuracy after 200 epochs, by the table")
    if Method.evolution in chosen:
        note(f"evolution has looked up {queries} cells, each a training of 200 epochs that its seconds don't count")


def _kept(output: Path) -> str:
    return f"{output} keeps the searches that are done; the same command goes on" if output.exists() else ""


class Searches:
    """The searches of one command: those that the ledger holds, and new ones on images that are read when needed."""

    def __init__(self, ledger: Ledger, data: str, image_size: int | None, iters: int, device: str) -> None:
        self._ledger, self._data, self._image_size, self._iters = ledger, data, image_size, iters
        self._device = device

    def run(self, method: Method, seed: int) -> dict[str, Any]:
        """The architecture string that a search finds, and its seconds, now or when it ran."""
        request = Request(
            method=method.value,
            seed=seed,
            data=self._data,
            image_size=self._image_size,
            iters=self._iters if method.takes_iters else None,
        )
        found = self._ledger.find(request)
        if found is None:
            from ftso_cli.search.nats_methods import RUNS

            images, device = self._images
            started = time.perf_counter()
            cell = RUNS[method.value](images, seed, self._iters, device).cells[KIND]
            found = self._ledger.add(request, architecture(cell), round(time.perf_counter() - started, 2))
        return {"cell": found.cell, "seconds": found.seconds}

    @cached_property
    def _images(self) -> "tuple[ImageData, torch.device]":
        from ftso_cli.data import open_images, read_training
        from ftso_cli.nn.device import choose_device

        images = open_images(self._data, image_size=self._image_size)
        with bar("read images", "image") as progress:
            images = read_training(images, progress.update)
        return images, choose_device(self._device)


def _evolved(table: Table, queries: int, seed: int) -> dict[str, Any]:
    started = time.perf_counter()
    cell = evolve(lambda text: table.find(text).scores["cifar10"].accuracy, queries=queries, seed=seed)
    return {"cell": cell, "seconds": round(time.perf_counter() - started, 2)}


def _summary(runs: list[dict[str, Any]], table: Table) -> dict[str, Any]:
    """Mean, deviation and best on each data set, mean seconds, and the runs."""
    scores = [table.find(run["cell"]).scores for run in runs]
    sets = {}
    for name in DATA_SETS:
        values = [score[name].accuracy for score in scores]
        sets[name] = {"mean": fmean(values), "std": stdev(values) if len(values) > 1 else None, "best": max(values)}
    return {"data_sets": sets, "seconds": round(fmean(run["seconds"] for run in runs), 2), "runs": runs}


def _lines(rows: dict[str, dict[str, Any]]) -> list[str]:
    titles = [data_set.title for data_set in DATA_SETS.values()]
    lines = [["", *titles, "seconds"]]
    lines += [[f"paper: {row}", *(f"{value:.2f}" for value in its.values()), ""] for row, its in TABLE_2.items()]
    for name, row in rows.items():
        figures = [_figure(its) for its in row["data_sets"].values()]
        lines.append([f"here: {name}", *figures, f"{row['seconds']:.1f}"])
    return aligned(lines, [True, False, False, False, False], "   ")


def _figure(its: dict[str, Any]) -> str:
    spread = "" if its["std"] is None else f" ± {its['std']:.2f}, {its['best']:.2f}"
    return f"{its['mean']:.2f}{spread}"
