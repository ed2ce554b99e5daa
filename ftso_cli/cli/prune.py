"""`ftso prune`: keep the strongest edges of each node."""

from typing import Annotated

import typer

from ftso_cli.cli import common
from ftso_cli.cli.console import next_step, note, print_json, say
from ftso_cli.errors import GenotypeError
from ftso_cli.genotype import Genotype, edit, library, storage
from ftso_cli.spaces import DARTS


def prune(
    cell: common.CellArgument,
    keep: Annotated[int, typer.Option("--keep", "-k", min=1, help="Edges that each node keeps.")] = DARTS.keep,
    output: common.OutputOption = None,
    as_json: common.JsonOption = False,
) -> None:
    """Keep the strongest edges into each node of a searched topology (Algorithm 1, lines 7 to 11).

    Pruned edges stay in the file, marked, with what was measured of them: another --keep can be asked for later.

    Examples: `ftso prune cell.json` · `ftso prune cell.json --keep 3 -o wide.json`
    """
    watch = common.Stopwatch()
    target = common.output_for(cell, output)
    genotype, ties = prune_file(cell, keep)
    storage.write(common.edited(genotype, "prune", watch, keep=keep), target)
    for tie in ties:
        note(f"tie: {tie}")
    if as_json:
        print_json({"file": str(target), "keep": keep, "kept": kept(genotype), "ties": [str(tie) for tie in ties]})
    elif str(target) != "-":
        for kind, nodes in kept(genotype).items():
            wiring = "  ".join(f"{node}←{','.join(map(str, sources))}" for node, sources in nodes.items())
            say(f"{kind:<7} {wiring}")
        say(f"wrote {target}: {keep} edges a node")
        next_step(f"ftso assign-ops {target} --op sep_conv_3x3")


def prune_file(cell: str, keep: int | None = None) -> tuple[Genotype, list[edit.Tie]]:
    """The pruned genotype of a file; errors name the file."""
    genotype = library.load(cell)
    try:
        return edit.prune(genotype, keep)
    except GenotypeError as error:
        raise GenotypeError(f"{cell}: {error}") from None


def kept(genotype: Genotype) -> dict[str, dict[int, list[int]]]:
    """For each kind of cell, the sources that each node reads."""
    return {
        kind: {node: [edge.source for edge in cell.inputs_of(node)] for node in cell.nodes}
        for kind, cell in genotype.cells.items()
    }
