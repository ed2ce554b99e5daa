"""A topology search from many seeds, which tells a wiring that was found from one that was drawn by lot (ours)."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from statistics import fmean

import torch

from ftso_cli.data import ImageData
from ftso_cli.errors import SettingsError
from ftso_cli.genotype import Cell, Genotype
from ftso_cli.genotype.agreement import assessed
from ftso_cli.genotype.schema import Ensemble
from ftso_cli.search.bilevel import Bilevel, GradientRanking, Progress
from ftso_cli.search.phases import topology_member, weighed
from ftso_cli.search.settings import TopologySettings
from ftso_cli.spaces import DARTS


class _StoppedError(Exception):
    """Another member failed, or the user stopped the search."""


def search_ensemble(
    data: ImageData,
    settings: TopologySettings,
    *,
    seeds: Sequence[int],
    device: torch.device,
    on_iteration: Callable[[Progress], None],
    workers: int | None = None,
) -> Genotype:
    """Algorithm 1 from every seed; an edge's strength is the mean over the seeds, with the agreement of their halves.

    On a CPU, one member runs on each core, one thread each: that is faster than all threads on one member, and the
    result doesn't depend on `workers`. `on_iteration` is called from their threads; it counts the iterations of all.
    Raises `SettingsError` for seeds that occur twice.
    """
    if len(set(seeds)) < len(seeds) or not seeds:
        raise SettingsError("an ensemble needs seeds that differ, as in --seeds 0-15")
    members = [topology_member(data, settings, seed=seed, device=device) for seed in seeds]
    if workers is None:
        workers = torch.get_num_threads() if device.type == "cpu" else 1
    _run(members, workers, on_iteration)
    return _joined(members, settings, seeds)


def _run(members: Sequence[Bilevel], workers: int, on_iteration: Callable[[Progress], None]) -> None:
    """Runs all members; the first error of any stops the others."""
    lock, stop, done = threading.Lock(), threading.Event(), 0

    def each(progress: Progress) -> None:
        nonlocal done
        if stop.is_set():
            raise _StoppedError
        with lock:
            done += 1
            every = len(members) * progress.iterations
            on_iteration(
                Progress(
                    iteration=done,
                    iterations=every,
                    epoch=progress.epoch,
                    arch_loss=progress.arch_loss,
                    weight_loss=progress.weight_loss,
                )
            )

    threads = torch.get_num_threads()
    with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        try:
            runs = [pool.submit(member.run, each) for member in members]
            finished, _ = wait(runs, return_when=FIRST_EXCEPTION)
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)
            torch.set_num_threads(threads)
    for run in finished:
        run.result()


def _joined(members: Sequence[Bilevel], settings: TopologySettings, seeds: Sequence[int]) -> Genotype:
    """The mean of the members, edge by edge, with what each of them says."""
    each = [weighed(member.net.cpu(), settings) for member in members]
    cells = {
        kind: _mean_cell([genotype.cells[kind] for genotype in each], [_scores(member, kind) for member in members])
        for kind in DARTS.kinds
    }
    ensemble = Ensemble(rank=settings.rank, seeds=tuple(seeds))
    return assessed(each[0].replace(cells=cells, ensemble=ensemble), DARTS.keep)


def _scores(member: Bilevel, kind: str) -> list[float] | None:
    return member.scores(kind) if isinstance(member, GradientRanking) else None


def _mean_cell(cells: Sequence[Cell], scores: Sequence[list[float] | None]) -> Cell:
    """The cell whose edges have the means of α and β; their scores are β where nothing else was measured."""
    edges = []
    for at, alike in enumerate(zip(*(cell.edges for cell in cells), strict=True)):
        betas = [edge.beta or 0.0 for edge in alike]
        alphas = [edge.alpha for edge in alike if edge.alpha]
        alpha = {op: fmean(each[op] for each in alphas) for op in alphas[0]} if alphas else None
        own = tuple(beta if score is None else score[at] for beta, score in zip(betas, scores, strict=True))
        update = {"beta": fmean(betas) if scores[0] is None else None, "alpha": alpha, "scores": own}
        edges.append(alike[0].model_copy(update=update))
    return Cell(edges=tuple(edges), concat=cells[0].concat)
