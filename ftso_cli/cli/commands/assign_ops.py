"""`ftso assign-ops`: give every kept edge one operator."""

from collections import Counter

from ftso_cli.api.edits import assign_cell
from ftso_cli.cli.console import next_step, note, print_json, say
from ftso_cli.cli.derive import as_command
from ftso_cli.cli.output import common
from ftso_cli.settings.requests.edits import AssignRequest


@as_command(AssignRequest, fill=common.in_place)
def assign_ops(request: AssignRequest, as_json: bool) -> None:
    """Give every kept edge the same operator: the paper's default strategy (Algorithm 2, lines 1 and 2).

    `--map` gives single edges another one; `--op random --seed 3` draws all. A topology that is not pruned yet is
    pruned first, as ftso prune does it.

    Examples: `ftso assign-ops cell.json` · `ftso assign-ops cell.json --op sep_conv_5x5 -o large.json` ·
    `ftso assign-ops cell.json --map normal:0-2=skip_connect,1-2=skip_connect` ·
    `ftso assign-ops cell.json --op random --seed 3 -o drawn.json`
    """
    target = common.not_both(request.output, as_json)
    genotype, op, said = assign_cell(request, common.stopwatch())
    for line in said:
        note(line)
    edges = sum(len(found.kept) for found in genotype.cells.values())
    if as_json:
        print_json({"file": str(target), "op": op, "edges": edges})
    elif str(target) != "-":
        counts = Counter(edge.op for found in genotype.cells.values() for edge in found.kept)
        say(f"wrote {target}: " + ", ".join(f"{name} on {count}" for name, count in counts.most_common()) + " edges")
        next_step("draw", target)
