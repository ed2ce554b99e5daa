"""`ftso search-topology`: the first phase of FTSO."""

from typing import TYPE_CHECKING, Any

from ftso_cli.api.search.searches import find_topology
from ftso_cli.cli.console import next_step, note, say, show, warn
from ftso_cli.cli.derive import as_command
from ftso_cli.cli.output import racing
from ftso_cli.cli.output.searching import SearchListener, new_file, print_result, print_written, propose_training
from ftso_cli.genotype import Genotype, agreement, edit
from ftso_cli.settings.requests.search_topology import SearchTopology
from ftso_cli.spaces import SPACES

if TYPE_CHECKING:
    from ftso_cli.api.search.searching import Found


@as_command(SearchTopology, fill=new_file)
def search_topology(request: SearchTopology, as_json: bool) -> None:
    """Search how the nodes of a cell are wired, with one cheap operator on every edge (Algorithm 1).

    Writes every edge with its strength β; `ftso prune` then keeps the strongest. Half of the training images update
    the weights, the other half β; test images are not touched.

    One seed always returns a wiring, even if there is none to find. `--seeds 0-15` searches from many, stores their
    agreement and its chance level, and marks the edges that stay at chance.

    `--rank race` trains networks of many wirings (the widest, the deepest, random and mutated ones) with the operator
    that they will get, and keeps the one that trains fastest.

    `--method evolution` and others evaluate whole wirings as `ftso search` does cells (docs/search-methods.md).

    `torchrun --nproc-per-node 2 -m ftso_cli search-topology ...` does the same in several processes (docs/machines.md).

    Examples: `ftso search-topology --data digits --iters 1 -o cell.json` ·
    `ftso search-topology --data photos/ --epochs 1 --op max_pool_3x3 -o pool.json` ·
    `ftso search-topology --data photos/ --preset stable -o many.json` ·
    `ftso search-topology --data photos/ --rank race --budget 5m -o fast.json`
    """
    listener = SearchListener()
    found = find_topology(request, listener)
    raced, decided = request.rank == "race", found.genotype.stage == "complete"
    facts = (
        racing.finalists_json(found) if raced else {} if decided else _certainty(edit.keep_strongest(found.genotype)[0])
    )

    def report() -> None:
        if raced:
            racing.report_race(found)
        elif decided:
            _show_best(found)
        else:
            _report(found)
        print_written(request, listener)
        if decided:
            propose_training(request)
        else:
            next_step("assign-ops", request.output, op=SPACES[request.space].default_operator)

    print_result(found, request, facts, as_json, report)


def _show_best(found: "Found") -> None:
    from ftso_cli import drawing

    show(drawing.text(found.genotype, title="The best wiring that was evaluated"))


def _report(found: "Found") -> None:
    from ftso_cli import drawing

    wiring, _ = edit.keep_strongest(found.genotype)
    show(drawing.text(wiring, title="The wiring found; pruned: edges that ftso prune will remove", pruned=True))
    _comment(wiring)


def _certainty(wiring: Genotype) -> dict[str, Any]:
    """For --json: the agreement of an ensemble and its edges that were found."""
    if wiring.ensemble is None:
        return {}
    found, chosen = agreement.count_significant(wiring)
    return {"ensemble": wiring.ensemble.model_dump(mode="json"), "edges_found": found, "edges_chosen": chosen}


def _comment(wiring: Genotype) -> None:
    """Say how many edges are significant, and what to run for more."""
    if all(edge.kept for cell in wiring.cells.values() for edge in cell.edges):
        note(f"all edges are kept: a {wiring.space} cell has no choice of them, so β decides nothing")
        return
    if wiring.ensemble is None or len(wiring.ensemble.seeds) < 2:
        note("one seed can't tell a wiring from a random one; many can: --preset stable, or --seeds")
        note("races found wirings that train better: --rank race (docs/topology.md)")
        return
    found, chosen = agreement.count_significant(wiring)
    say(f"{found} of the {chosen} edges with a choice are significant; the others are at chance")
    if 2 * found < chosen:
        warn("this wiring is hardly better than a random one; more --seeds may tell edges apart (ftso stability)")
