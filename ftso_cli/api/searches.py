"""The verbs that search: search_topology, search_operators, search_baseline."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Unpack, get_args

from ftso_cli.api.cells import DEFAULT_DATA, CellLike, Data, about_file, name_of, read
from ftso_cli.api.ensembles import FromSeeds
from ftso_cli.api.races import ByCapacity, Raced
from ftso_cli.api.record import Stopwatch
from ftso_cli.api.recorded import Options, Recorded
from ftso_cli.api.searching import Request, Search, Standing, Update, bars, execute
from ftso_cli.api.settings import (
    SearchOptions,
    WiringOptions,
    capacity_settings,
    check_one_of,
    check_raceable,
    ensemble_seeds,
    joint_settings,
    operator_settings,
    operators,
    race_settings,
    topology_settings,
)
from ftso_cli.errors import SettingsError, short
from ftso_cli.files import alone_in
from ftso_cli.genotype import Genotype
from ftso_cli.genotype.edit import require_searchable
from ftso_cli.settings.searches import Method, TopologySettings
from ftso_cli.spaces import SPACES

if TYPE_CHECKING:
    import torch

    from ftso_cli.data import ImageData

Strategy = Literal["gradient", "capacity"]

Tracked = Literal["eigenvalue"]


def search_topology(
    data: Data = DEFAULT_DATA,
    *,
    space: Literal["darts", "nats"] = "darts",
    op: str | Iterable[str] | None = None,
    preset: Literal["paper", "stable"] = "paper",
    recipe: Literal["cifar", "imagenet"] = "cifar",
    rank: Literal["beta", "gradient", "race"] | None = None,
    engine: Literal["auto", "general", "folded"] = "auto",
    budget: str | int | None = None,
    seed: int = 0,
    seeds: str | Iterable[int] | None = None,
    workers: int | None = None,
    image_size: int | None = None,
    device: str = "auto",
    progress: Update | None = None,
    **settings: Unpack[WiringOptions],
) -> Genotype:
    """Searches how the nodes of a cell are wired, with one cheap operator on every edge (Algorithm 1).

    `settings` are `iters` or `epochs`, `nodes`, `channels`, `cells`, `partial`, `batch_size`, `weight_rate`,
    `arch_rate`, `weight_share`, `arch_share` and `warmup`, with the defaults of `ftso search-topology`. `op` is the
    operator on every edge, or several (`"a,b"` or a list). With `seeds` (`"0-15"` or integers) every one is searched
    from, and the genotype's `ensemble` says how far they agree. `rank="race"` takes a `budget` as in `"5m"` or 2000.
    `progress(done, total, figures)` is called after every iteration.

    Gives every edge with its strength; from a race, a complete cell. The same seed gives the same
    genotype, times apart.
    Raises `SettingsError`, `DataError`, and `TrainingError` where a loss is not finite.
    """
    given: dict[str, Any] = {**_given(budget=budget, ops=operators(op) or None), **_checked(settings)}
    if workers is not None and workers < 1:
        raise SettingsError(f"workers must be at least 1, not {short(workers)}")
    if rank == "race":
        check_raceable(space)
        raced = race_settings({"preset": preset, "recipe": recipe, "engine": engine, **_given(seeds=seeds), **given})
        request = _request("search-topology", data, image_size, raced, seed, device)
        return execute(request, Raced(request, raced, workers=workers), Stopwatch(), bars(progress))[0]
    if budget is not None:
        raise SettingsError('--budget: belongs to a race; give rank="race"')
    own = {"engine": engine, **given}
    chosen = topology_settings(preset=preset, space=space, recipe=recipe, rank=rank, given=own)
    members = ensemble_seeds(preset, seeds)
    request = _request("search-topology", data, image_size, chosen, None if members else seed, device)
    request.notes.extend(blind_spots(chosen)[0])
    search = _topology_search(request, chosen, seed, members, workers)
    return execute(request, search, Stopwatch(), bars(progress))[0]


def _topology_search(
    request: Request, settings: TopologySettings, seed: int, members: tuple[int, ...] | None, workers: int | None
) -> Search:
    """From one seed, or from many where there are members or the mean gradient ranks."""
    if members is not None or settings.rank != "beta":
        return FromSeeds(request, settings, members or (seed,), workers=workers)

    def search(images: "ImageData", on: "torch.device", each: Callable[[Standing], None]) -> Genotype:
        from ftso_cli.search.phases import search_topology

        return search_topology(images, settings, seed=seed, device=on, on_iteration=each)

    return search


def blind_spots(settings: TopologySettings) -> tuple[list[str], bool]:
    """What the operators can't see of the topology, whatever the images; whether all edges are kept anyway."""
    from ftso_cli.search.topology.visibility import blind_spots as found_of

    space = SPACES[settings.space]
    all_kept = space.keep >= space.inputs + settings.nodes - 1
    notes = [
        f"{', '.join(settings.ops)} with --partial {settings.partial} sees {found.visible} of the {found.freedom} "
        f"degrees of freedom of {'the' if all_kept else f'a {found.kind}'} cell's wiring"
        for found in found_of(settings)
    ]
    return notes, all_kept


def search_operators(
    cell: CellLike,
    data: Data = DEFAULT_DATA,
    *,
    strategy: Strategy = "gradient",
    ops: str | Iterable[str] | None = None,
    recipe: Literal["cifar", "imagenet"] = "cifar",
    score: Literal["synflow", "naswot", "zico"] | None = None,
    slack: float | None = None,
    steps: int | None = None,
    inits: int | None = None,
    run: str | os.PathLike[str] | None = None,
    resume: bool = False,
    track: Tracked | None = None,
    early_stop: Tracked | None = None,
    every: int | None = None,
    seed: int = 0,
    image_size: int | None = None,
    device: str = "auto",
    progress: Update | None = None,
    **settings: Unpack[SearchOptions],
) -> Genotype:
    """Searches the operator of every kept edge (Algorithm 2, second strategy), by gradient or by capacity.

    `settings` are `iters` or `epochs`, `channels`, `cells`, `partial`, `batch_size`, `weight_rate`, `arch_rate`,
    `weight_share`, `arch_share` and `warmup`, with the defaults of `ftso search-ops`. `ops` are the candidates.
    `run` is a folder for α, β and losses over time and for checkpoints; `resume` goes on there. `score`, `slack`,
    `steps` and `inits` belong to `strategy="capacity"`. `progress(done, total, figures)` is called after every step.

    Raises `GenotypeError` for a cell that is not pruned, and what `search_topology` raises.
    """
    start = read(cell)
    with about_file(name_of(cell)):
        require_searchable(start)
    check_one_of("strategy", strategy, get_args(Strategy))
    given = _given(ops=operators(ops) or None, score=score, slack=slack, steps=steps, inits=inits)
    given |= _checked(settings)
    if strategy == "capacity":
        other = {"recipe": None if recipe == "cifar" else recipe, "resume": resume or None}
        for name in _given(**other, run=run, track=track, early_stop=early_stop, every=every):
            raise SettingsError(f'{name} has no meaning with strategy="capacity"')
        by_capacity = capacity_settings(start.space, given)
        request = _request("search-ops", data, image_size, by_capacity, seed, device)
        return execute(request, ByCapacity(start, request, by_capacity), Stopwatch(), bars(progress))[0]
    chosen = operator_settings(start.space, recipe, given)
    request = _request("search-ops", data, image_size, chosen, seed, device)

    def make(images: "ImageData", on: "torch.device") -> Any:
        from ftso_cli.search import phases

        return phases.operators(start, images, chosen, seed=seed, device=on)

    return _recorded(Recorded(request, _options(run, resume, track, early_stop, every), make, start), progress)


def search_baseline(
    method: Method,
    data: Data = DEFAULT_DATA,
    *,
    space: Literal["darts", "nats"] = "darts",
    ops: str | Iterable[str] | None = None,
    recipe: Literal["cifar", "imagenet"] = "cifar",
    samples: int | None = None,
    run: str | os.PathLike[str] | None = None,
    resume: bool = False,
    track: Tracked | None = None,
    early_stop: Tracked | None = None,
    every: int | None = None,
    seed: int = 0,
    image_size: int | None = None,
    device: str = "auto",
    progress: Update | None = None,
    **settings: Unpack[WiringOptions],
) -> Genotype:
    """Searches wiring and operators at once: DARTS of first or second order, PC-DARTS, or random search.

    This is `ftso search`. `method` is `darts-1st`, `darts-2nd`, `pc-darts` or `random`; settings are the published
    ones of the method unless given. The rest is as in `search_topology` and `search_operators`.
    Gives a complete genotype.
    """
    given = {**_given(ops=operators(ops) or None, samples=samples), **_checked(settings)}
    chosen = joint_settings(method, space, recipe, given)
    request = _request("search", data, image_size, chosen, seed, device)

    def make(images: "ImageData", on: "torch.device") -> Any:
        from ftso_cli.search.joint import joint

        return joint(images, chosen, seed=seed, device=on)

    return _recorded(Recorded(request, _options(run, resume, track, early_stop, every), make), progress)


def _recorded(recorded: Recorded, progress: Update | None) -> Genotype:
    with alone_in(recorded.options.folder):
        found, _ = execute(recorded.request, recorded, Stopwatch(), bars(progress))
        recorded.close()
    return found


def _options(
    run: str | os.PathLike[str] | None,
    resume: bool,
    track: Tracked | None,
    early_stop: Tracked | None,
    every: int | None,
) -> Options:
    for what, name in (("track", track), ("early_stop", early_stop)):
        check_one_of(what, name, get_args(Tracked))
    folder = None if run is None else Path(run)
    return Options(
        folder=folder, every=every, track=track is not None, early_stop=early_stop is not None, resume=resume
    )


def _request(command: str, data: Data, image_size: int | None, settings: Any, seed: int | None, device: str) -> Request:
    return Request(
        command=command,
        data=os.fspath(data),
        image_size=image_size,
        settings=settings,
        seed=seed,
        device=device,
    )


def _given(**options: Any) -> dict[str, Any]:
    """The options that are given."""
    return {name: value for name, value in options.items() if value is not None}


def _checked(settings: SearchOptions) -> dict[str, Any]:
    """The settings that are given; a search is as long as `iters` or `epochs` says, not both."""
    given = _given(**settings)
    if "iters" in given and "epochs" in given:
        raise SettingsError("give iters or epochs, not both")
    return given
