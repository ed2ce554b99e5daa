"""A topology search from many seeds, which tells a wiring that was found from one that was drawn by lot (ours)."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from statistics import fmean

import torch

from ftso_cli.data import ImageData
from ftso_cli.errors import SettingsError
from ftso_cli.genotype import Cell, Genotype
from ftso_cli.genotype.agreement import assessed
from ftso_cli.genotype.schema import Ensemble, Rank
from ftso_cli.search.bilevel import Bilevel, Progress
from ftso_cli.search.phases import topology_member, weighed
from ftso_cli.search.settings import TopologySettings
from ftso_cli.search.threads import StoppedError, run_all
from ftso_cli.spaces import SPACES

OnMember = Callable[[Callable[[], Genotype]], None]
"""Told of a member that is done, with a function that gives the ensemble of those done so far."""


def search_ensemble(
    data: ImageData,
    settings: TopologySettings,
    *,
    seeds: Sequence[int],
    device: torch.device,
    on_iteration: Callable[[Progress], None],
    workers: int | None = None,
    on_member: OnMember | None = None,
) -> Genotype:
    """Algorithm 1 from every seed; an edge's strength is the mean over the seeds, with the agreement of their halves.

    On a CPU, one member runs on each core, one thread each: that is faster than all threads on one member, and the
    result doesn't depend on `workers`. `on_iteration` is called from their threads; it counts the iterations of all.
    `on_member` is called whenever a member is done, with what joins those done so far.
    Raises `SettingsError` for seeds that occur twice.
    """
    if len(set(seeds)) < len(seeds) or not seeds:
        raise SettingsError("an ensemble needs seeds that differ, as in --seeds 0-15")
    members = [topology_member(data, settings, seed=seed, device=device) for seed in seeds]
    if workers is None:
        workers = torch.get_num_threads() if device.type == "cpu" else 1
    done: dict[int, Bilevel] = {}

    def member_done(place: int) -> None:
        done[seeds[place]] = members[place]
        if on_member is not None:
            on_member(partial(_joined, list(done.values()), settings, list(done)))

    _run(members, workers, on_iteration, member_done)
    return _joined(members, settings, seeds)


def _run(
    members: Sequence[Bilevel],
    workers: int,
    on_iteration: Callable[[Progress], None],
    on_done: Callable[[int], None],
) -> None:
    """Runs all members, and counts their iterations together."""
    lock, stop, done = threading.Lock(), threading.Event(), 0

    def each(progress: Progress) -> None:
        nonlocal done
        if stop.is_set():
            raise StoppedError
        with lock:
            done += 1
            on_iteration(replace(progress, iteration=done, iterations=len(members) * progress.iterations))

    def run(place: int) -> None:
        members[place].run(each)
        with lock:
            on_done(place)

    run_all([partial(run, place) for place in range(len(members))], workers, stop)


def _joined(members: Sequence[Bilevel], settings: TopologySettings, seeds: Sequence[int]) -> Genotype:
    """The mean of the members, edge by edge, with what each of them says."""
    each = [weighed(member.net.cpu(), settings) for member in members]
    cells = {
        kind: _mean_cell(
            [genotype.cells[kind] for genotype in each], [member.scores(kind) for member in members], settings.rank
        )
        for kind in each[0].cells
    }
    ensemble = Ensemble(rank=settings.rank, seeds=tuple(seeds))
    return assessed(each[0].replace(cells=cells, ensemble=ensemble), SPACES[settings.space].keep)


def _mean_cell(cells: Sequence[Cell], scores: Sequence[list[float]], rank: Rank) -> Cell:
    """The cell whose edges have the mean α and all scores, and the mean β where that is what ranks them."""
    edges = []
    for own, *alike in zip(zip(*scores, strict=True), *(cell.edges for cell in cells), strict=True):
        alphas = [edge.alpha for edge in alike if edge.alpha]
        alpha = {op: fmean(each[op] for each in alphas) for op in alphas[0]} if alphas else None
        update = {"beta": fmean(own) if rank == "beta" else None, "alpha": alpha, "scores": own}
        edges.append(alike[0].model_copy(update=update))
    return Cell(edges=tuple(edges), concat=cells[0].concat)
