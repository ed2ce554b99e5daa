"""`ftso prune`: keep the strongest edges of each node."""

from typing import Annotated

import typer

from ftso_cli.api.edits import pruned
from ftso_cli.api.record import edited
from ftso_cli.cli import common
from ftso_cli.cli.console import next_step, note, print_json, say
from ftso_cli.genotype import Genotype, library, storage
from ftso_cli.spaces import DARTS, NATS, SPACES


def prune(
    context: typer.Context,
    cell: common.CellArgument,
    keep: Annotated[
        int | None,
        typer.Option(
            "--keep",
            "-k",
            metavar="N",
            min=1,
            help="Edges that each node keeps.",
            show_default=f"{DARTS.keep}; all {NATS.keep} in the nats space",
        ),
    ] = None,
    output: common.OutputOption = None,
    as_json: common.JsonOption = False,
) -> None:
    """Keep the strongest edges into each node of a searched topology (Algorithm 1, lines 7 to 11).

    Pruned edges stay in the file, marked, with what was measured of them: another --keep can be asked for later.

    Examples: `ftso prune cell.json` · `ftso prune cell.json --keep 3 -o wide.json`
    """
    watch = common.Stopwatch()
    target = common.hold(common.output_for(cell, output, as_json=as_json), context)
    genotype, ties, keep = pruned(library.load(cell), cell, keep)
    storage.write(edited(genotype, "prune", watch, keep=keep), target)
    for tie in ties:
        note(f"tie: {tie}")
    if as_json:
        print_json({"file": str(target), "keep": keep, "kept": kept(genotype), "ties": [str(tie) for tie in ties]})
    elif str(target) != "-":
        for kind, nodes in kept(genotype).items():
            wiring = "  ".join(f"{node}←{','.join(map(str, sources))}" for node, sources in nodes.items())
            say(f"{kind:<7} {wiring}")
        say(f"wrote {target}: at most {keep} edges a node")
        next_step("assign-ops", target, "--op", SPACES[genotype.space].usual)


def kept(genotype: Genotype) -> dict[str, dict[int, list[int]]]:
    """For each kind of cell, the sources that each node reads."""
    return {
        kind: {node: [edge.source for edge in cell.inputs_of(node)] for node in cell.nodes}
        for kind, cell in genotype.cells.items()
    }
