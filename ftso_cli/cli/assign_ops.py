"""`ftso assign-ops`: give every kept edge one operator."""

from shlex import quote
from typing import Annotated

import typer

from ftso_cli.cli import common
from ftso_cli.cli.console import next_step, note, print_json, say
from ftso_cli.cli.prune import pruned
from ftso_cli.genotype import edit, library, storage
from ftso_cli.spaces import DARTS, NATS, SPACES


def assign_ops(
    cell: common.CellArgument,
    op: Annotated[
        str | None,
        typer.Option(
            "--op",
            metavar="OP",
            help=f"The operator: {', '.join(DARTS.operators[1:])}; in the nats space {', '.join(NATS.operators)}.",
            show_default=f"{DARTS.usual}; {NATS.usual} in the nats space",
        ),
    ] = None,
    output: common.OutputOption = None,
    as_json: common.JsonOption = False,
) -> None:
    """Give every kept edge the same operator: the paper's default strategy (Algorithm 2, lines 1 and 2).

    A topology that is not pruned yet is pruned first, as ftso prune does it.

    Examples: `ftso assign-ops cell.json` · `ftso assign-ops cell.json --op sep_conv_5x5 -o large.json`
    """
    watch = common.Stopwatch()
    target = common.output_for(cell, output, as_json=as_json)
    genotype, said = library.load(cell), []
    published = genotype.about.name if genotype.about else None
    if genotype.stage == "searched":
        genotype, ties, keep = pruned(genotype, cell)
        genotype = common.edited(genotype, "prune", watch, keep=keep)
        said = [f"{cell} was not pruned: pruned to {keep} edges a node first", *(f"tie: {tie}" for tie in ties)]
    op = SPACES[genotype.space].usual if op is None else op
    genotype = common.edited(edit.assign_operator(genotype, op), "assign-ops", watch, op=op, wiring=published)
    storage.write(genotype, target)
    for line in said:
        note(line)
    edges = sum(len(found.kept) for found in genotype.cells.values())
    if as_json:
        print_json({"file": str(target), "op": op, "edges": edges})
    elif str(target) != "-":
        say(f"wrote {target}: {op} on {edges} edges")
        next_step(f"ftso draw {quote(str(target))}")
