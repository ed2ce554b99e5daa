"""`ftso nats-table2`: the paper's comparison on the NATS-Bench space, run again."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import get_args

from ftso_cli.api.nats_table2 import Accuracies, MethodRow, compare_methods
from ftso_cli.benchmarks.paper import TABLE_2
from ftso_cli.cli.console import aligned, note, print_json, say
from ftso_cli.cli.derive import as_command
from ftso_cli.cli.output.listening import CommandListener
from ftso_cli.settings.requests.tables import ByTable, NatsTable2Request
from ftso_cli.spaces.nats import DATA_SETS


@as_command(NatsTable2Request)
def nats_table2(request: NatsTable2Request, as_json: bool) -> None:
    """Run the paper's Table 2 again: methods and seeds on a small super-net, the cells found looked up in the table.

    assign-ops, search-ops and capacity are FTSO with each way to choose the operators. random, local-search, evolution,
    reinforce and pnas look into the table while they search, at `--queries` test accuracies on CIFAR-10: each would be
    a training of 200 epochs.

    Searches that --output holds already, by the same method, seed, images and length, are not run again: a command that
    was stopped goes on, and more seeds or methods add to what is there.

    Examples: `ftso nats-table2 --table nats_bench.csv.gz --data cifar10` ·
    `ftso nats-table2 -t nats_bench.csv.gz -d cifar10 -m darts-1st -m capacity --seeds 0-9`
    """
    rows = compare_methods(request, CommandListener())
    if as_json:
        asked = {"table": str(request.table), "data": request.data, "iters": request.iters, "queries": request.queries}
        print_json({**asked, "paper": TABLE_2, "methods": {name: asdict(row) for name, row in rows.items()}})
        return
    for line in _lines(rows):
        say(line)
    note("mean ± standard deviation over seeds, and the best; test accuracy after 200 epochs, by the table")
    if looked := [name for name in rows if name in get_args(ByTable)]:
        text = f"{', '.join(looked)}: {request.queries} cells looked up"
        note(f"{text}, each a training of 200 epochs that the seconds don't count")


def _lines(rows: Mapping[str, MethodRow]) -> list[str]:
    titles = [data_set.title for data_set in DATA_SETS.values()]
    lines = [["", *titles, "seconds"]]
    lines += [[f"paper: {row}", *(f"{value:.2f}" for value in its.values()), ""] for row, its in TABLE_2.items()]
    for name, row in rows.items():
        lines.append([f"here: {name}", *map(_figure, row.data_sets.values()), f"{row.seconds:.1f}"])
    return aligned(lines, [True, False, False, False, False], "   ")


def _figure(its: Accuracies) -> str:
    spread = "" if its.std is None else f" ± {its.std:.2f}, {its.best:.2f}"
    return f"{its.mean:.2f}{spread}"
