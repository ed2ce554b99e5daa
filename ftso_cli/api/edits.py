"""The verbs that edit a genotype: prune, assign_operators."""

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from ftso_cli.api.cells import CellLike, about_file, name_of, read
from ftso_cli.api.record import Stopwatch, edited
from ftso_cli.errors import SettingsError, short
from ftso_cli.genotype import Genotype, edit
from ftso_cli.spaces import SPACES

RANDOM = "random"
"""The operator's name that draws one for each edge."""

ENTRY = re.compile(r"(?:(?P<kind>\w+):)?(?P<source>\d+)-(?P<target>\d+)=(?P<op>\w+)")


def prune(
    cell: CellLike, *, keep: int | None = None, at: int | None = None, run: str | os.PathLike[str] | None = None
) -> Genotype:
    """Keeps the strongest edges into each node of a searched topology (Algorithm 1, lines 7 to 11).

    `keep` is their number, two unless given, or all in the nats space. What is pruned stays in the genotype, marked.
    `at` takes the strengths that the search had at that iteration, from its history in the folder `run`, or in
    CELL.search-topology beside a file.
    Raises `GenotypeError` where the cell has its operators already or its edges no strength, `RunError` where there is
    no record of that iteration.
    """
    watch = Stopwatch()
    genotype = read(cell) if at is None else earlier(read(cell), name_of(cell), at, run)
    genotype, _, keep = pruned(genotype, name_of(cell), keep)
    return edited(genotype, "prune", watch, keep=keep, at=at)


def earlier(genotype: Genotype, name: str, at: int, run: str | os.PathLike[str] | None) -> Genotype:
    """The genotype in the file `name` as its topology search had it at iteration `at`."""
    from ftso_cli.search.recording.tables import recorded

    beside = Path(name).with_name(f"{Path(name).stem}.search-topology")
    return recorded(genotype, beside if run is None else Path(run), at)


def pruned(genotype: Genotype, name: str, keep: int | None = None) -> tuple[Genotype, list[edit.Tie], int]:
    """The genotype called `name`, pruned, with its ties and the edges that a node keeps; errors name it."""
    keep = SPACES[genotype.space].keep if keep is None else keep
    with about_file(name):
        return *edit.prune(genotype, keep), keep


def assign_operators(
    cell: CellLike, op: str | None = None, *, map: Mapping[str, str] | None = None, seed: int = 0
) -> Genotype:
    """Gives every kept edge the operator `op`, that of the paper unless given (Algorithm 2, lines 1 and 2).

    `map` gives single edges another one: `{"0-2": "skip_connect", "reduce:0-2": "max_pool_3x3"}`; `op="random"` draws
    one for each edge by `seed`. A topology that is not pruned yet is pruned first.
    Raises `SpaceError` for an operator that the space lacks, and `SettingsError` for an edge that the cell lacks.
    """
    watch = Stopwatch()
    entries = tuple(f"{edge}={name}" for edge, name in (map or {}).items())
    return assigned(read(cell), name_of(cell), op, entries, seed, watch)[0]


def assigned(
    genotype: Genotype, name: str, op: str | None, entries: tuple[str, ...], seed: int, watch: Stopwatch
) -> tuple[Genotype, str, list[str]]:
    """The genotype called `name` with its operators; which one was asked for; what there is to say of pruning."""
    said: list[str] = []
    published = genotype.about.name if genotype.about else None
    if genotype.stage == "searched":
        genotype, ties, keep = pruned(genotype, name)
        genotype = edited(genotype, "prune", watch, keep=keep)
        said = [f"{name} was not pruned: pruned to {keep} edges a node first", *(f"tie: {tie}" for tie in ties)]
    space = SPACES[genotype.space]
    op = space.usual if op is None else op
    drawn = op == RANDOM
    choose = edit.random_choice(space, seed) if drawn else lambda kind, edge: op
    mapped = _map(entries, genotype)
    # All draw, so that an edge with an operator of its own leaves those of the others as they are.
    genotype = edit.assign_operators(genotype, lambda kind, edge: mapped.get((kind, str(edge)), choose(kind, edge)))
    genotype = edited(
        genotype,
        "assign-ops",
        watch,
        op=op,
        map=list(entries) or None,
        seed=seed if drawn else None,
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
