"""The verbs that search: search_topology, search_operators, search_baseline.

Each is called with keywords, or by the command line as `find_...` with a request and a listener.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from ftso_cli.api.cells import error_context, locked_output, read, reference_name
from ftso_cli.api.listening import Listener
from ftso_cli.api.query import table_lookup
from ftso_cli.api.scores import extrapolation
from ftso_cli.api.search.ensembles import EnsembleSearch, run_ensemble
from ftso_cli.api.search.races import RaceSearch, run_race
from ftso_cli.api.search.recorded import run_recorded
from ftso_cli.api.search.searching import Found, task_of
from ftso_cli.api.verbs import verb
from ftso_cli.genotype import Genotype
from ftso_cli.genotype.edit import require_searchable
from ftso_cli.processes import check_alone
from ftso_cli.settings.asktell import AskTellSettings
from ftso_cli.settings.requests.search import SearchBaseline
from ftso_cli.settings.requests.search_ops import SearchOperators
from ftso_cli.settings.requests.search_topology import SearchTopology
from ftso_cli.settings.searches import TopologySettings
from ftso_cli.spaces import SPACES

if TYPE_CHECKING:
    import torch

    from ftso_cli.data import ImageData
    from ftso_cli.nn.distributed import Group
    from ftso_cli.search.operators.capacity import Choice
    from ftso_cli.search.phases import Search


@verb(SearchTopology)
def search_topology(request: SearchTopology) -> Genotype:
    """Search how the nodes of a cell are wired, with one cheap operator on every edge (Algorithm 1).

    Options are those of `ftso search-topology`. `op` is the operator on every edge, or several (`"a,b"` or a list).
    With `seeds` (`"0-15"` or integers) it searches from each, and the genotype's `ensemble` has their agreement.
    `rank="race"` takes a `budget` as in `"5m"` or 2000. `output` is the file to write; checkpoints lie beside it.
    `progress(done, total, figures)` is called after every step.

    Returns every edge with its strength; from a race, a complete cell. The same seed gives the same genotype, times
    apart. Raises `SettingsError`, `DataError`, and `TrainingError` where a loss is not finite.
    """
    return find_topology(request, Listener(request.progress)).genotype


def find_topology(request: SearchTopology, listener: Listener) -> Found:
    """Run a search of the wiring: a race, an ensemble of seeds, or one search with its history."""
    with locked_output(request.output):
        return _find_topology(request, listener)


def _find_topology(request: SearchTopology, listener: Listener) -> Found:
    command = "search-topology"
    if request.rank == "race":
        task = task_of(command, request, request.race, request.seed)
        return run_race(RaceSearch(task, request.race, listener, resume=request.resume, workers=request.workers))
    if request.evaluates:
        return _run_evaluated(command, request, request.evaluated, listener)
    settings, members = request.settings, request.members
    task = task_of(command, request, settings, request.seed if members is None else None)
    task.notes.extend(_unidentifiable(settings, listener))
    if members is not None or settings.rank != "beta":
        seeds = members or (request.seed,)
        many = EnsembleSearch(task, settings, seeds, listener, resume=request.resume, workers=request.workers)
        return run_ensemble(many)

    def make(data: "ImageData", device: "torch.device", group: "Group") -> "Search":
        from ftso_cli.search.phases import prepare_topology_search

        return prepare_topology_search(data, settings, seed=request.seed, device=device, group=group)

    # One iteration takes a moment: it keeps a history where that is asked for.
    keep = settings.iters != 1 or bool(request.asked("run", "resume", "track", "early_stop", "tensorboard"))
    return run_recorded(task, request, make, listener, keep=keep)


def _run_evaluated(
    command: str,
    request: SearchTopology | SearchOperators,
    settings: AskTellSettings,
    listener: Listener,
    start: Genotype | None = None,
) -> Found:
    """Run a search that evaluates wirings, or the operators on the wiring of `start`."""
    looked_up = table_lookup(settings)

    def make(data: "ImageData", device: "torch.device", group: "Group") -> "Search":
        from ftso_cli.search.blackbox.domain import cells_domain, operators_domain
        from ftso_cli.search.blackbox.searchers import search_by_evaluation
        from ftso_cli.search.limit import limit_of

        limit = limit_of(settings, SPACES[settings.space], device)
        if start is None:
            domain = cells_domain(SPACES[settings.space], settings.nodes, settings.choices, limit)
        else:
            domain = operators_domain(start, settings.choices, limit)
        return search_by_evaluation(domain, data, settings, seed=request.seed, device=device, reached=looked_up)

    return run_recorded(task_of(command, request, settings, request.seed), request, make, listener, start)


def _unidentifiable(settings: TopologySettings, listener: Listener) -> list[str]:
    """Warn of what the operators can't see of the topology, whatever the images; returns it for the record."""
    from ftso_cli.search.topology.identifiability import unidentifiable_kinds

    space = SPACES[settings.space]
    all_kept = space.keep >= space.inputs + settings.nodes - 1
    notes = [
        f"{', '.join(settings.ops)} with --partial {settings.partial} sees {found.identifiable} of the {found.freedom} "
        f"degrees of freedom of {'the' if all_kept else f'a {found.kind}'} cell's wiring"
        for found in unidentifiable_kinds(settings)
    ]
    for text in notes:
        if all_kept:
            listener.warn(f"{text}: along the rest its gradient is rounding, and β shows its random start")
        else:
            listener.warn(f"{text}; the rest stays at chance (--op max_pool_3x3 sees all)")
    return notes


@verb(SearchOperators)
def search_operators(request: SearchOperators) -> Genotype:
    """Search the operator of every kept edge (Algorithm 2, second strategy), by gradient or by capacity.

    Options are those of `ftso search-ops`. `ops` are the candidates. `run` is a folder for α, β and losses over time
    and for checkpoints; `resume` continues there. `score`, `slack`, `steps`, `inits` belong to `strategy="capacity"`.
    `progress(done, total, figures)` is called after every step.

    Raises `GenotypeError` for a cell that is not pruned, and what `search_topology` raises.
    """
    return find_operators(request, Listener(request.progress)).genotype


def find_operators(request: SearchOperators, listener: Listener) -> Found:
    """Run a search of the operators, by the strategy that is asked for."""
    with locked_output(request.output):
        return _find_operators(request, listener)


def _find_operators(request: SearchOperators, listener: Listener) -> Found:
    command, start = "search-ops", searchable(request)
    if request.strategy == "capacity":
        return _run_capacity(command, request, start, listener)
    if request.evaluates:
        nodes = max(len(cell.nodes) for cell in start.cells.values())
        return _run_evaluated(command, request, request.evaluated(start.space, nodes), listener, start)
    settings = request.settings(start.space)

    def make(data: "ImageData", device: "torch.device", group: "Group") -> "Search":
        from ftso_cli.search.phases import prepare_operator_search

        return prepare_operator_search(start, data, settings, seed=request.seed, device=device, group=group)

    return run_recorded(task_of(command, request, settings, request.seed), request, make, listener, start)


def _run_capacity(command: str, request: SearchOperators, start: Genotype, listener: Listener) -> Found:
    check_alone("--strategy capacity trains small networks one after another, in one process")
    settings = request.capacity(start.space)
    made: list[Callable[[], Choice]] = []

    def make(data: "ImageData", device: "torch.device", group: "Group") -> "Search":
        from ftso_cli.search.operators.capacity import capacity_search

        search, choice = capacity_search(start, data, settings, seed=request.seed, device=device)
        made.append(choice)
        return search

    found = run_recorded(task_of(command, request, settings, request.seed), request, make, listener, start)
    return replace(found, choice=made[-1]())


def searchable(request: SearchOperators) -> Genotype:
    """Return the cell of a request; raises `GenotypeError` where it is not pruned."""
    start = read(request.cell)
    with error_context(reference_name(request.cell)):
        require_searchable(start)
    return start


@verb(SearchBaseline)
def search_baseline(request: SearchBaseline) -> Genotype:
    """Search wiring and operators at once: by gradient, as DARTS and PC-DARTS do, or by evaluating cells.

    This is `ftso search`. `method` is `darts-1st`, `darts-2nd` or `pc-darts`, whose settings are the published ones
    unless given; or `random`, `local-search`, `evolution`, `reinforce`, `pnas` or `halving`, which take `budget`,
    `evaluate`, `fit_macs`, `fit_params` and `fit_latency`. The rest is as in `search_topology` and `search_operators`.
    Returns a complete genotype.
    """
    return find_baseline(request, Listener(request.progress)).genotype


def find_baseline(request: SearchBaseline, listener: Listener) -> Found:
    """Run a search of wiring and operators at once."""
    settings = request.settings
    looked_up = table_lookup(settings)

    def make(data: "ImageData", device: "torch.device", group: "Group") -> "Search":
        from ftso_cli.search.joint import joint

        return joint(data, settings, seed=request.seed, device=device, group=group, reached=looked_up)

    with locked_output(request.output):
        found = run_recorded(task_of("search", request, settings, request.seed), request, make, listener)
    if isinstance(settings, AskTellSettings) and (told := extrapolation(settings.evaluate, found.genotype)):
        listener.note(told)
    return found
