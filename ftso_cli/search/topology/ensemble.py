"""A topology search from many seeds, which tells significant edges from those at chance (ours)."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from statistics import fmean

import torch

from ftso_cli.data import ImageData
from ftso_cli.errors import SettingsError
from ftso_cli.genotype import Cell, Genotype
from ftso_cli.genotype.agreement import with_agreement
from ftso_cli.genotype.schema import Ensemble, Rank
from ftso_cli.nn.supernet import Wiring, complete_wirings
from ftso_cli.search.engine.bilevel import Bilevel, Progress
from ftso_cli.search.engine.threads import StoppedError, run_all
from ftso_cli.search.phases import topology_member, weighed
from ftso_cli.settings.searches import TopologySettings
from ftso_cli.spaces import SPACES

OnMember = Callable[[int, Genotype, Callable[[], Genotype]], None]
"""Called with a finished seed, its ensemble of one, and a function that returns the ensemble of all finished ones."""


def search_ensemble(
    data: ImageData,
    settings: TopologySettings,
    *,
    seeds: Sequence[int],
    device: torch.device,
    on_iteration: Callable[[Progress], None],
    workers: int | None = None,
    known: Mapping[int, Genotype] | None = None,
    on_member: OnMember | None = None,
) -> Genotype:
    """Algorithm 1 from every seed; an edge's strength is the mean over the seeds, with the agreement of their halves.

    On a CPU, one member runs on each core, one thread each: that is faster than all threads on one member, and the
    result doesn't depend on `workers`. `on_iteration` is called from their threads; it counts the iterations of all.
    `known` is what `on_member` was told of seeds before; they are not run again.
    Raises `SettingsError` for seeds that occur twice.
    """
    if len(set(seeds)) < len(seeds) or not seeds:
        raise SettingsError("an ensemble needs seeds that differ, as in --seeds 0-15")
    if workers is None:
        workers = torch.get_num_threads() if device.type == "cpu" else 1
    done = dict(known or {})
    before, steps = len(done), 0
    lock, stop = threading.Lock(), threading.Event()

    def each(progress: Progress) -> None:
        nonlocal steps
        if stop.is_set():
            raise StoppedError
        with lock:
            steps += 1
            at = before * progress.iterations + steps
            on_iteration(replace(progress, iteration=at, iterations=len(seeds) * progress.iterations))

    def run(seed: int) -> None:
        with lock:  # drawing the initial weights takes torch's generator, which is one for all threads
            search = topology_member(data, settings, seed=seed, device=device)
        search.run(each)
        with lock:
            done[seed] = _member(search, settings, seed)
            if on_member is not None:
                on_member(seed, done[seed], partial(_joined, list(done.values())))

    run_all([partial(run, seed) for seed in seeds if seed not in done], workers, stop)
    return _joined([done[seed] for seed in seeds])


def _member(search: Bilevel, settings: TopologySettings, seed: int) -> Genotype:
    """Return the ensemble of a single seed."""
    assert settings.rank != "race"
    found = weighed(search.net.cpu(), settings)
    cells = {kind: _scored(cell, search.scores(kind)) for kind, cell in found.cells.items()}
    return _joined([found.replace(cells=cells, ensemble=Ensemble(rank=settings.rank, seeds=(seed,)))])


def is_member(found: Genotype, settings: TopologySettings, seed: int) -> bool:
    """Return True where a genotype is, but for its numbers, the one that this seed finds with these settings."""
    wirings = complete_wirings(SPACES[settings.space], settings.nodes)
    weighed_ops = set(settings.ops) if len(settings.ops) > 1 else set()
    return (
        (found.space, found.stage, found.searched_ops) == (settings.space, "searched", settings.ops)
        and found.ensemble is not None
        and (found.ensemble.rank, found.ensemble.seeds) == (settings.rank, (seed,))
        and {kind: _wiring(cell) for kind, cell in found.cells.items()} == wirings
        and all(set(edge.alpha or {}) == weighed_ops for cell in found.cells.values() for edge in cell.edges)
    )


def _wiring(cell: Cell) -> Wiring:
    return Wiring(edges=tuple((edge.source, edge.target) for edge in cell.edges), concat=cell.concat)


def _scored(cell: Cell, scores: Sequence[float]) -> Cell:
    edges = zip(cell.edges, scores, strict=True)
    return Cell(edges=tuple(edge.model_copy(update={"scores": (own,)}) for edge, own in edges), concat=cell.concat)


def _joined(members: Sequence[Genotype]) -> Genotype:
    """The mean of the members, edge by edge, with what each of them says."""
    first = members[0]
    ensembles = [member.ensemble for member in members if member.ensemble is not None]
    rank, seeds = ensembles[0].rank, tuple(seed for each in ensembles for seed in each.seeds)
    cells = {kind: _mean_cell([member.cells[kind] for member in members], rank) for kind in first.cells}
    return with_agreement(
        first.replace(cells=cells, ensemble=Ensemble(rank=rank, seeds=seeds)), SPACES[first.space].keep
    )


def _mean_cell(cells: Sequence[Cell], rank: Rank) -> Cell:
    """The cell whose edges have the mean α and all scores, and the mean β where that is what ranks them."""
    edges = []
    for alike in zip(*(cell.edges for cell in cells), strict=True):
        scores = tuple(score for edge in alike for score in edge.scores or ())
        alphas = [edge.alpha for edge in alike if edge.alpha]
        alpha = {op: fmean(each[op] for each in alphas) for op in alphas[0]} if alphas else None
        update = {"beta": fmean(scores) if rank == "beta" else None, "alpha": alpha, "scores": scores}
        edges.append(alike[0].model_copy(update=update))
    return Cell(edges=tuple(edges), concat=cells[0].concat)
