"""Both phases on real images: what comes out, that it repeats, and that it learns."""

import pytest
import torch

from ftso_cli.data import ImageData, open_images
from ftso_cli.errors import GenotypeError, SettingsError, SpaceError
from ftso_cli.genotype import Genotype
from ftso_cli.genotype.edit import keep_strongest
from ftso_cli.search.derivation import strongest
from ftso_cli.search.engine.bilevel import Progress
from ftso_cli.search.phases import run_operator_search, run_topology_search, streams
from ftso_cli.settings.searches import OperatorSettings, SearchSettings, TopologySettings
from ftso_cli.spaces import DARTS

CPU = torch.device("cpu")
TINY = {"channels": 8, "cells": 3, "batch_size": 32}


@pytest.fixture(scope="module")
def digits() -> ImageData:
    return open_images("digits")


def topology(data: ImageData, seed: int = 0, **settings: object) -> Genotype:
    chosen = TopologySettings(**{**TINY, "iters": 2, **settings})
    return run_topology_search(data, chosen, seed=seed, device=CPU, on_iteration=lambda progress: None)


def operators(genotype: Genotype, data: ImageData, seed: int = 0, **settings: object) -> Genotype:
    chosen = OperatorSettings(**{**TINY, "iters": 2, "ops": ("none", "skip_connect", "sep_conv_3x3"), **settings})
    return run_operator_search(genotype, data, chosen, seed=seed, device=CPU, on_iteration=lambda progress: None)


def test_a_topology_has_every_edge_with_its_strength(digits: ImageData) -> None:
    found = topology(digits, nodes=3)
    assert found.stage == "searched"
    assert found.searched_ops == ("skip_connect",)
    for cell in found.cells.values():
        pairs = [(edge.source, edge.target) for edge in cell.edges]
        assert pairs == [(0, 2), (1, 2), (0, 3), (1, 3), (2, 3), (0, 4), (1, 4), (2, 4), (3, 4)]
        assert all(edge.op == "skip_connect" and edge.beta is not None and edge.alpha is None for edge in cell.edges)
        assert cell.concat == (2, 3, 4)


def test_several_operators_leave_alphas_and_no_operator_yet(digits: ImageData) -> None:
    found = topology(digits, ops=("skip_connect", "max_pool_3x3", "none"), nodes=2)
    for cell in found.cells.values():
        assert all(edge.op is None for edge in cell.edges)
        assert all(set(edge.alpha or ()) == {"skip_connect", "max_pool_3x3", "none"} for edge in cell.edges)


def test_the_same_seed_gives_the_same_genotype_and_another_seed_another(digits: ImageData) -> None:
    assert topology(digits) == topology(digits)
    assert topology(digits) != topology(digits, seed=1)
    start, _ = keep_strongest(topology(digits))
    assert operators(start, digits) == operators(start, digits)


def test_the_two_halves_are_shuffled_apart(digits: ImageData) -> None:
    weights, arch = streams(digits, TopologySettings(**TINY), seed=3, device=torch.device("cpu"))
    assert not torch.equal(weights.state()["shuffling"], arch.state()["shuffling"])


def test_an_operator_search_decides_every_kept_edge_and_keeps_what_the_topology_search_found(digits: ImageData) -> None:
    start, _ = keep_strongest(topology(digits))
    found = operators(start, digits)
    assert found.stage == "complete"
    for kind, cell in found.cells.items():
        before = {(edge.source, edge.target): edge for edge in start.cells[kind].edges}
        for edge in cell.edges:
            searched = before[edge.source, edge.target]
            assert (edge.kept, edge.beta) == (searched.kept, searched.beta)
            if edge.kept:
                assert edge.op == strongest(edge.alpha or {}, DARTS)
                assert edge.op != "none" and edge.beta_ops is not None
            else:
                assert edge == searched


def test_none_is_weighed_but_never_kept() -> None:
    assert strongest({"none": 5.0, "skip_connect": 1.0, "sep_conv_3x3": 2.0}, DARTS) == "sep_conv_3x3"
    assert strongest({"skip_connect": 1.0, "sep_conv_3x3": 1.0}, DARTS) == "skip_connect"


def test_both_losses_fall_while_a_super_net_learns(digits: ImageData) -> None:
    seen: list[Progress] = []
    settings = TopologySettings(**TINY, epochs=3, weight_lr=0.1)
    run_topology_search(digits, settings, seed=0, device=CPU, on_iteration=seen.append)
    first, last = seen[:5], seen[-5:]
    for loss in ("weight_loss", "arch_loss"):
        assert sum(getattr(step, loss) for step in last) < 0.8 * sum(getattr(step, loss) for step in first)


def test_operators_are_not_searched_on_a_topology_that_is_not_pruned(digits: ImageData) -> None:
    with pytest.raises(GenotypeError, match="not pruned"):
        operators(topology(digits), digits)


def test_a_search_over_none_alone_or_unknown_operators_is_refused(digits: ImageData) -> None:
    with pytest.raises(SettingsError, match="none alone"):
        topology(digits, ops=("none",))
    with pytest.raises(SpaceError, match="did you mean sep_conv_3x3"):
        topology(digits, ops=("sep_conv_3",))
    start, _ = keep_strongest(topology(digits))
    with pytest.raises(SettingsError, match="only candidate"):
        operators(start, digits, ops=("none",))


def test_settings_outside_their_range_are_refused() -> None:
    for name, value in {"iters": 0, "epochs": 0, "channels": 0, "batch_size": 1, "weight_lr": -0.1}.items():
        with pytest.raises(SettingsError, match=f"{name.replace('_', ' ')} must be at least"):
            SearchSettings(**{name: value})
    with pytest.raises(SettingsError, match="listed twice"):
        SearchSettings(ops=("none", "none"))


def test_recorded_settings_say_iterations_or_epochs_not_both() -> None:
    assert "epochs" not in SearchSettings(iters=3).recorded()
    assert "iters" not in SearchSettings(epochs=3).recorded()
    assert TopologySettings().recorded()["nodes"] == 4


def test_both_engines_find_the_same_strengths_to_rounding(digits: ImageData) -> None:
    general, folded = (topology(digits, engine=engine, iters=3) for engine in ("general", "folded"))
    for kind in DARTS.kinds:
        betas = [[edge.beta for edge in found.cells[kind].edges] for found in (general, folded)]
        assert betas[0] == pytest.approx(betas[1], abs=1e-5)


def test_the_engine_is_chosen_by_the_operators() -> None:
    assert TopologySettings().folded
    assert not TopologySettings(ops=("max_pool_3x3",)).folded
    assert not TopologySettings(engine="general").folded
    assert TopologySettings().recorded()["engine"] == "folded"


def test_the_folded_engine_refuses_other_operators(digits: ImageData) -> None:
    with pytest.raises(SettingsError, match="only a super-net of skip_connect alone"):
        topology(digits, ops=("max_pool_3x3",), engine="folded")
