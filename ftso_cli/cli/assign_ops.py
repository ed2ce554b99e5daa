"""`ftso assign-ops`: give every kept edge one operator."""

from collections import Counter
from typing import Annotated

import typer

from ftso_cli.api.edits import assigned
from ftso_cli.api.settings import listed
from ftso_cli.cli import common
from ftso_cli.cli.console import next_step, note, print_json, say
from ftso_cli.genotype import library, storage
from ftso_cli.spaces import DARTS, NATS


def assign_ops(
    context: typer.Context,
    cell: common.CellArgument,
    op: Annotated[
        str | None,
        typer.Option(
            "--op",
            metavar="OP",
            help=f"The operator: {', '.join(DARTS.operators[1:])}; in the nats space {', '.join(NATS.operators)}. "
            "random draws one for each edge.",
            show_default=f"{DARTS.usual}; {NATS.usual} in the nats space",
        ),
    ] = None,
    given: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="EDGE=OP",
            help="Another operator for an edge: 0-2=sep_conv_5x5, reduce:0-2=max_pool_3x3 (repeated, or a,b,c).",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", "-s", min=0, help="What --op random draws with.")] = 0,
    output: common.OutputOption = None,
    as_json: common.JsonOption = False,
) -> None:
    """Give every kept edge the same operator: the paper's default strategy (Algorithm 2, lines 1 and 2).

    `--map` gives single edges another one; `--op random --seed 3` draws all. A topology that is not pruned yet is
    pruned first, as ftso prune does it.

    Examples: `ftso assign-ops cell.json` · `ftso assign-ops cell.json --op sep_conv_5x5 -o large.json` ·
    `ftso assign-ops cell.json --map normal:0-2=skip_connect,1-2=skip_connect` ·
    `ftso assign-ops cell.json --op random --seed 3 -o drawn.json`
    """
    watch = common.Stopwatch()
    target = common.hold(common.output_for(cell, output, as_json=as_json), context)
    genotype, op, said = assigned(library.load(cell), cell, op, listed(given), seed, watch)
    storage.write(genotype, target)
    for line in said:
        note(line)
    edges = sum(len(found.kept) for found in genotype.cells.values())
    if as_json:
        print_json({"file": str(target), "op": op, "edges": edges})
    elif str(target) != "-":
        counts = Counter(edge.op for found in genotype.cells.values() for edge in found.kept)
        say(f"wrote {target}: " + ", ".join(f"{name} on {count}" for name, count in counts.most_common()) + " edges")
        next_step("draw", target)
