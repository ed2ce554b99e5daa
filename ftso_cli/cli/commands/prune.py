"""`ftso prune`: keep the strongest edges of each node."""

from typing import Any

from ftso_cli.api.edits import prune_cell
from ftso_cli.cli.console import next_step, note, print_json, say
from ftso_cli.cli.derive import as_command, wrong_use
from ftso_cli.cli.output import common
from ftso_cli.genotype import Genotype
from ftso_cli.settings.options import OptionError
from ftso_cli.settings.requests.edits import PruneRequest
from ftso_cli.spaces import SPACES


def _in_place(given: dict[str, Any]) -> None:
    """Fill in the file to write: that of the cell, but for an earlier state of it."""
    if "at" in given and "output" not in given:
        raise wrong_use(
            PruneRequest, OptionError("at", "would write an earlier state over CELL; name another file with -o")
        )
    common.in_place(given)


@as_command(PruneRequest, fill=_in_place)
def prune(request: PruneRequest, as_json: bool) -> None:
    """Keep the strongest edges into each node of a searched topology (Algorithm 1, lines 7 to 11).

    Pruned edges stay in the file, marked, with what was measured of them: another --keep can be asked for later.

    Examples: `ftso prune cell.json` · `ftso prune cell.json --keep 3 -o wide.json` ·
    `ftso prune cell.json --at 390 -o early.json`
    """
    target = common.not_both(request.output, as_json)
    genotype, ties, keep = prune_cell(request, common.stopwatch())
    for tie in ties:
        note(f"tie: {tie}")
    if as_json:
        print_json({"file": str(target), "keep": keep, "kept": kept(genotype), "ties": [str(tie) for tie in ties]})
    elif str(target) != "-":
        for kind, nodes in kept(genotype).items():
            wiring = "  ".join(f"{node}←{','.join(map(str, sources))}" for node, sources in nodes.items())
            say(f"{kind:<7} {wiring}")
        say(f"wrote {target}: at most {keep} edges a node")
        next_step("assign-ops", target, op=SPACES[genotype.space].default_operator)


def kept(genotype: Genotype) -> dict[str, dict[int, list[int]]]:
    """For each kind of cell, the sources that each node reads."""
    return {
        kind: {node: [edge.source for edge in cell.inputs_of(node)] for node in cell.nodes}
        for kind, cell in genotype.cells.items()
    }
