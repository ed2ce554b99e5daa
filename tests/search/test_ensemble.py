"""Searches from many seeds on real images: means, ranks, and that the number of workers changes nothing."""

from collections.abc import Callable
from dataclasses import replace
from statistics import fmean

import pytest
import torch
from torch.nn import functional

from ftso_cli.data import ImageData, open_images
from ftso_cli.errors import SettingsError, TrainingError
from ftso_cli.genotype import Genotype, edit
from ftso_cli.search.engine.bilevel import Progress
from ftso_cli.search.phases import run_topology_search, topology_member
from ftso_cli.search.topology.ensemble import is_member, search_ensemble
from ftso_cli.settings.searches import TopologySettings

CPU = torch.device("cpu")
TINY = {"channels": 8, "cells": 3, "batch_size": 32, "iters": 2}


@pytest.fixture(scope="module")
def digits() -> ImageData:
    return open_images("digits")


def ensemble(data: ImageData, seeds: tuple[int, ...] = (0, 1, 2), workers: int = 2, **settings: object) -> Genotype:
    chosen = TopologySettings(**{**TINY, **settings})
    return search_ensemble(data, chosen, seeds=seeds, device=CPU, on_iteration=lambda progress: None, workers=workers)


def test_the_scores_of_an_ensemble_are_the_strengths_of_its_seeds(digits: ImageData) -> None:
    threads = torch.get_num_threads()
    found = ensemble(digits)
    assert torch.get_num_threads() == threads
    torch.set_num_threads(1)
    try:
        settings = TopologySettings(**TINY)
        alone = [run_topology_search(digits, settings, seed=seed, device=CPU, on_iteration=print) for seed in range(3)]
    finally:
        torch.set_num_threads(threads)
    for kind, cell in found.cells.items():
        for at, edge in enumerate(cell.edges):
            assert edge.scores == tuple(each.cells[kind].edges[at].beta for each in alone)
            assert edge.beta == fmean(edge.scores)
    assert found.ensemble is not None and found.ensemble.seeds == (0, 1, 2)
    assert set(found.ensemble.agreement) == {"normal", "reduce"}


@pytest.mark.parametrize("rank", ["beta", "gradient"])
def test_the_number_of_workers_changes_nothing(digits: ImageData, rank: str) -> None:
    assert ensemble(digits, rank=rank, workers=1) == ensemble(digits, rank=rank, workers=3)


def test_ranking_by_gradient_is_minus_the_mean_gradient_at_zero(digits: ImageData) -> None:
    settings = TopologySettings(**TINY, rank="gradient", weight_lr=0.0, engine="general")
    found = search_ensemble(digits, settings, seeds=(7,), device=CPU, on_iteration=lambda progress: None, workers=1)
    twin = topology_member(digits, settings, seed=7, device=CPU)
    net = twin.net.train()
    sums = {kind: torch.zeros(14) for kind in net.beta}
    for _ in range(2):
        images, labels = next(twin.arch_batches)
        functional.cross_entropy(net(images), labels).backward()
    for kind, beta in net.beta.items():
        assert not beta.any()
        sums[kind] = -beta.grad / 2
        scores = torch.tensor([edge.scores[0] for edge in found.cells[kind].edges if edge.scores])
        torch.testing.assert_close(scores, sums[kind], rtol=1e-4, atol=1e-7)
    assert all(edge.beta is None for cell in found.cells.values() for edge in cell.edges)


def test_both_engines_rank_alike_by_gradient(digits: ImageData) -> None:
    general, folded = (ensemble(digits, rank="gradient", engine=engine) for engine in ("general", "folded"))
    for kind, cell in general.cells.items():
        for edge, other in zip(cell.edges, folded.cells[kind].edges, strict=True):
            assert edge.scores == pytest.approx(other.scores, rel=1e-3, abs=1e-6)


def test_progress_counts_the_iterations_of_all_seeds(digits: ImageData) -> None:
    seen: list[Progress] = []
    settings = TopologySettings(**TINY)
    search_ensemble(digits, settings, seeds=(0, 1), device=CPU, on_iteration=seen.append, workers=2)
    assert [progress.iteration for progress in seen] == [1, 2, 3, 4]
    assert all(progress.iterations == 4 for progress in seen)


@pytest.mark.parametrize("ops", [("skip_connect",), ("skip_connect", "max_pool_3x3")])
def test_seeds_that_were_done_are_not_run_again_and_the_ensemble_is_the_same(
    digits: ImageData, ops: tuple[str, ...]
) -> None:
    members: dict[int, Genotype] = {}
    settings = TopologySettings(**TINY, ops=ops)

    def run(known: dict[int, Genotype]) -> tuple[Genotype, list[int], list[Progress]]:
        told: list[int] = []
        seen: list[Progress] = []

        def on_member(seed: int, member: Genotype, joined: Callable[[], Genotype]) -> None:
            told.append(seed)
            members[seed] = member
            assert joined().ensemble.seeds == (*known, *told)

        found = search_ensemble(
            digits,
            settings,
            seeds=(5, 6, 7),
            device=CPU,
            on_iteration=seen.append,
            workers=1,
            known=known,
            on_member=on_member,
        )
        return found, told, seen

    whole, told, _ = run({})
    assert told == [5, 6, 7]
    again, told, seen = run({6: members[6]})
    assert again == whole and told == [5, 7]
    assert [progress.iteration for progress in seen] == [3, 4, 5, 6] and seen[-1].iterations == 6
    assert all(is_member(member, settings, seed) for seed, member in members.items())


def test_a_genotype_of_another_search_is_no_member(digits: ImageData) -> None:
    settings = TopologySettings(**TINY)
    found = ensemble(digits, seeds=(3,))
    assert is_member(found, settings, 3) and not is_member(found, settings, 4)
    for other in ({"ops": ("max_pool_3x3",)}, {"nodes": 3}, {"rank": "gradient"}):
        assert not is_member(found, replace(settings, **other), 3)
    assert not is_member(edit.keep_strongest(found)[0], settings, 3)


def test_an_error_in_one_member_stops_the_ensemble_and_is_the_one_that_is_raised(digits: ImageData) -> None:
    with pytest.raises(TrainingError, match="not finite"):
        ensemble(digits, weight_lr=1e30, iters=20)


def test_seeds_must_differ(digits: ImageData) -> None:
    with pytest.raises(SettingsError, match="differ"):
        ensemble(digits, seeds=(1, 1))
