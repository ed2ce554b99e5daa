"""`ftso prune`: keep the strongest edges of each node."""

from pathlib import Path
from typing import Annotated

import typer

from ftso_cli.api.edits import earlier, pruned
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
    at: Annotated[
        int | None,
        typer.Option(
            metavar="ITERATION",
            min=0,
            help="Take the strengths that the search had at this iteration, a record of its history.",
            show_default="the end",
        ),
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="The folder of that history.", show_default="CELL.search-topology beside CELL"
        ),
    ] = None,
    output: common.OutputOption = None,
    as_json: common.JsonOption = False,
) -> None:
    """Keep the strongest edges into each node of a searched topology (Algorithm 1, lines 7 to 11).

    Pruned edges stay in the file, marked, with what was measured of them: another --keep can be asked for later.

    Examples: `ftso prune cell.json` · `ftso prune cell.json --keep 3 -o wide.json` ·
    `ftso prune cell.json --at 390 -o early.json`
    """
    watch = common.Stopwatch()
    if at is None and run is not None:
        raise typer.BadParameter("names the history for --at; give the iteration, too", param_hint="--run")
    if at is not None and output is None:
        raise typer.BadParameter("would write an earlier state over CELL; name another file with -o", param_hint="--at")
    target = common.hold(common.output_for(cell, output, as_json=as_json), context)
    genotype = library.load(cell)
    genotype, ties, keep = pruned(genotype if at is None else earlier(genotype, cell, at, run), cell, keep)
    storage.write(edited(genotype, "prune", watch, keep=keep, at=at), target)
    for tie in ties:
        note(f"tie: {tie}")
    if as_json:
        print_json({"file": str(target), "keep": keep, "kept": kept(genotype), "ties": [str(tie) for tie in ties]})
    elif str(target) != "-":
        for kind, nodes in kept(genotype).items():
            wiring = "  ".join(f"{node}←{','.join(map(str, sources))}" for node, sources in nodes.items())
            say(f"{kind:<7} {wiring}")
        say(f"wrote {target}: at most {keep} edges a node")
        next_step("assign-ops", target, op=SPACES[genotype.space].usual)


def kept(genotype: Genotype) -> dict[str, dict[int, list[int]]]:
    """For each kind of cell, the sources that each node reads."""
    return {
        kind: {node: [edge.source for edge in cell.inputs_of(node)] for node in cell.nodes}
        for kind, cell in genotype.cells.items()
    }
