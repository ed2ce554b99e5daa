"""`ftso latency`: how long a network takes on this device."""

from typing import TYPE_CHECKING, Any

from ftso_cli.api.cells import reference_name
from ftso_cli.api.training.uses import operation_times, time_network
from ftso_cli.cli.console import aligned, print_json, say
from ftso_cli.cli.derive import as_command
from ftso_cli.cli.output.latencies import latency_facts, latency_text
from ftso_cli.cli.output.listening import CommandListener
from ftso_cli.settings.requests.use import LatencyRequest

if TYPE_CHECKING:
    from ftso_cli.nn.latency import LatencyEstimate


@as_command(LatencyRequest)
def latency(request: LatencyRequest, as_json: bool) -> None:
    """Measure how long a network takes on this device, from pixels in memory to its answer.

    RUN is a trained network, or a cell, whose network is that of `ftso cost`, with random weights. Batch norms are
    folded, as in an exported network. The number of threads is that of torch (`OMP_NUM_THREADS`), or 1 where that is
    faster, as on a machine that is busy otherwise. The result of a run is kept in its folder, for its page.

    Examples: `ftso latency runs/cell-digits` · `ftso latency runs/cell-photos --batch-size 32 --device cuda` ·
    `ftso latency pc_darts_cifar --channels 16 --cells 8 --operations`
    """
    found = time_network(request, CommandListener())
    operations = operation_times(request, found.threads) if request.operations else None
    if as_json:
        listed = {} if operations is None else {"operations": _facts(operations)}
        print_json({"run": reference_name(request.run), **latency_facts(found), **listed})
        return
    say(latency_text(found))
    _, slow, slowest = found.milliseconds.values()
    say(f"90 % of {found.runs} runs under {slow:.2f} ms, 99 % under {slowest:.2f} ms")
    if operations is not None:
        _tell(operations)


def _facts(operations: "LatencyEstimate") -> dict[str, Any]:
    rows = [
        {"operation": row.name, "calls": row.calls, **row.time.model_dump(), "all_calls": round(row.milliseconds, 6)}
        for row in operations.rows
    ]
    return {"milliseconds": round(operations.milliseconds, 4), "rows": rows}


def _tell(operations: "LatencyEstimate") -> None:
    """Show the operations, the slowest first."""
    rows = [["ms", "calls", "a call", "±", "operation"]]
    for row in operations.rows:
        own = (row.milliseconds, row.time.milliseconds, row.time.spread / 2)
        total, once, spread = (f"{value:.3f}" for value in own)
        rows.append([total, str(row.calls), once, spread, row.name])
    say("")
    for line in aligned(rows, [False] * 4 + [True], "  "):
        say(line)
    say(f"{operations.milliseconds:.2f} ms together")
