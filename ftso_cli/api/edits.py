"""The verbs that edit a genotype: prune, assign_operators."""

import os
import re
from collections.abc import Iterable
from pathlib import Path

from ftso_cli.api.cells import error_context, locked_output, read, reference_name
from ftso_cli.api.record import Stopwatch, edited
from ftso_cli.api.verbs import verb
from ftso_cli.errors import SettingsError, short
from ftso_cli.genotype import Genotype, edit, storage
from ftso_cli.settings.requests.edits import RANDOM, AssignRequest, PruneRequest
from ftso_cli.settings.shared import Edited
from ftso_cli.spaces import SPACES

ENTRY = re.compile(r"(?:(?P<kind>\w+):)?(?P<source>\d+)-(?P<target>\d+)=(?P<op>\w+)")


@verb(PruneRequest)
def prune(request: PruneRequest) -> Genotype:
    """Keep the strongest edges into each node of a searched topology (Algorithm 1, lines 7 to 11).

    `keep` is their number, two unless given, or all in the nats space. Pruned edges stay in the genotype, marked.
    `at` takes the strengths that the search had at that iteration, from its history in the folder `run`, or in
    CELL.search-topology beside a file. With an `output` the genotype is written there.
    Raises `GenotypeError` where the cell has its operators already or its edges no strength, `RunError` where there is
    no record of that iteration.
    """
    return prune_cell(request, Stopwatch())[0]


def prune_cell(request: PruneRequest, watch: Stopwatch) -> tuple[Genotype, list[edit.Tie], int]:
    """Return the pruned genotype of a request, written where a file is asked for, with its ties and edges a node."""
    with locked_output(request.output):
        genotype, name = read(request.cell), reference_name(request.cell)
        start = genotype if request.at is None else earlier(genotype, name, request.at, request.run)
        genotype, ties, keep = pruned(start, name, request.keep)
        genotype = edited(genotype, "prune", watch, keep=keep, at=request.at)
        _write(genotype, request)
    return genotype, ties, keep


def _write(genotype: Genotype, request: Edited) -> None:
    if request.output is not None:
        storage.write_genotype(genotype, Path(request.output))


def earlier(genotype: Genotype, name: str, at: int, run: str | os.PathLike[str] | None) -> Genotype:
    """The genotype in the file `name` as its topology search had it at iteration `at`."""
    from ftso_cli.search.recording.tables import recorded

    beside = Path(name).with_name(f"{Path(name).stem}.search-topology")
    return recorded(genotype, beside if run is None else Path(run), at)


def pruned(genotype: Genotype, name: str, keep: int | None = None) -> tuple[Genotype, list[edit.Tie], int]:
    """The genotype called `name`, pruned, with its ties and the edges that a node keeps; errors name it."""
    keep = SPACES[genotype.space].keep if keep is None else keep
    with error_context(name):
        return *edit.keep_strongest(genotype, keep), keep


@verb(AssignRequest)
def assign_operators(request: AssignRequest) -> Genotype:
    """Give every kept edge the operator `op`, that of the paper unless given (Algorithm 2, lines 1 and 2).

    `map` gives single edges another one: `{"0-2": "skip_connect", "reduce:0-2": "max_pool_3x3"}`; `op="random"` draws
    one for each edge by `seed`. A topology that is not pruned yet is pruned first. With an `output` the genotype is
    written there.
    Raises `SpaceError` for an operator that the space lacks, and `SettingsError` for an edge that the cell lacks.
    """
    return assign_cell(request, Stopwatch())[0]


def assign_cell(request: AssignRequest, watch: Stopwatch) -> tuple[Genotype, str, list[str]]:
    """Return the genotype of a request with its operators, written where a file is asked for; the operator; remarks."""
    with locked_output(request.output):
        found = _assigned(request, watch)
        _write(found[0], request)
    return found


def _assigned(request: AssignRequest, watch: Stopwatch) -> tuple[Genotype, str, list[str]]:
    genotype, name, entries = read(request.cell), reference_name(request.cell), tuple(request.map)
    said: list[str] = []
    published = genotype.about.name if genotype.about else None
    if genotype.stage == "searched":
        genotype, ties, keep = pruned(genotype, name)
        genotype = edited(genotype, "prune", watch, keep=keep)
        said = [f"{name} was not pruned: pruned to {keep} edges a node first", *(f"tie: {tie}" for tie in ties)]
    space = SPACES[genotype.space]
    op = space.default_operator if request.op is None else request.op
    drawn = op == RANDOM
    choose = edit.random_choice(space, request.seed) if drawn else lambda kind, edge: op
    mapped = _map(entries, genotype)
    # All draw, so that an edge with an operator of its own leaves those of the others as they are.
    genotype = edit.assign_chosen(genotype, lambda kind, edge: mapped.get((kind, str(edge)), choose(kind, edge)))
    genotype = edited(
        genotype,
        "assign-ops",
        watch,
        op=op,
        map=list(entries) or None,
        seed=request.seed if drawn else None,
        wiring=published,
    )
    return genotype, op, said


def _map(entries: Iterable[str], genotype: Genotype) -> dict[tuple[str, str], str]:
    """The operators of `0-2=OP` by kind and edge; an entry without a kind is for all cells that have the edge."""
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
