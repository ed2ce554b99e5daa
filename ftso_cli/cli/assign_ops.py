"""`ftso assign-ops`: give every kept edge one operator."""

import re
from collections import Counter
from shlex import quote
from typing import Annotated

import typer

from ftso_cli.cli import common
from ftso_cli.cli.console import next_step, note, print_json, say
from ftso_cli.cli.prune import pruned
from ftso_cli.errors import SettingsError, short
from ftso_cli.genotype import Genotype, edit, library, storage
from ftso_cli.spaces import DARTS, NATS, SPACES

RANDOM = "random"
"""What --op says to draw an operator for each edge."""

ENTRY = re.compile(r"(?:(?P<kind>\w+):)?(?P<source>\d+)-(?P<target>\d+)=(?P<op>\w+)")


def assign_ops(
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
    target = common.output_for(cell, output, as_json=as_json)
    genotype, said = library.load(cell), []
    published = genotype.about.name if genotype.about else None
    if genotype.stage == "searched":
        genotype, ties, keep = pruned(genotype, cell)
        genotype = common.edited(genotype, "prune", watch, keep=keep)
        said = [f"{cell} was not pruned: pruned to {keep} edges a node first", *(f"tie: {tie}" for tie in ties)]
    op = SPACES[genotype.space].usual if op is None else op
    drawn = op == RANDOM
    choose = edit.random_choice(SPACES[genotype.space], seed) if drawn else lambda kind, edge: op
    mapped = _map(common.listed(given), genotype)
    genotype = edit.assign_operators(genotype, lambda kind, edge: mapped.get((kind, str(edge))) or choose(kind, edge))
    genotype = common.edited(
        genotype,
        "assign-ops",
        watch,
        op=op,
        map=list(common.listed(given)) or None,
        seed=seed if drawn else None,
        wiring=published,
    )
    storage.write(genotype, target)
    for line in said:
        note(line)
    edges = sum(len(found.kept) for found in genotype.cells.values())
    if as_json:
        print_json({"file": str(target), "op": op, "edges": edges})
    elif str(target) != "-":
        counts = Counter(edge.op for found in genotype.cells.values() for edge in found.kept)
        say(f"wrote {target}: " + ", ".join(f"{name} on {count}" for name, count in counts.most_common()) + " edges")
        next_step(f"ftso draw {quote(str(target))}")


def _map(entries: tuple[str, ...], genotype: Genotype) -> dict[tuple[str, str], str]:
    """The operators of --map by kind and edge; an entry without a kind is for all cells that have the edge."""
    mapped = {}
    for entry in entries:
        match = ENTRY.fullmatch(entry)
        if match is None:
            raise SettingsError(f"--map {short(entry)} is not written as 0-2=OP or reduce:0-2=OP")
        edge = f"{match['source']}→{match['target']}"
        found = [
            kind
            for kind, cell in genotype.cells.items()
            if match["kind"] in (None, kind) and edge in map(str, cell.kept)
        ]
        if not found:
            raise SettingsError(f"--map {short(entry)}: no cell of that kind has the edge {edge}; ftso draw shows them")
        mapped.update(dict.fromkeys(((kind, edge) for kind in found), match["op"]))
    return mapped
