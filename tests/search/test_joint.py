"""What the joint searches read off their super-nets, against rules worked out by hand."""

import pytest
import torch

from ftso_cli.errors import SettingsError
from ftso_cli.search.derivation import derived
from ftso_cli.settings.methods import METHODS
from ftso_cli.settings.searches import GradientSettings
from ftso_cli.spaces import DARTS
from tests.search.searches import search


def test_the_strongest_operator_but_none_ranks_an_edge() -> None:
    net = search("darts-1st").engine.net
    alpha = torch.zeros(5, 4)
    # Edges 0→2 1→2, then 0→3 1→3 2→3. none takes a share of edge 1→3 without being counted.
    alpha[2, 3], alpha[3, 0], alpha[3, 1], alpha[4, 2] = 1.0, 9.0, 2.0, 1.5
    net.alpha["normal"].data.copy_(alpha)
    cell = derived(net, DARTS).cells["normal"]
    kept = [(edge.source, edge.op) for edge in cell.inputs_of(3)]
    assert kept == [(0, "sep_conv_3x3"), (2, "max_pool_3x3")]
    assert all(edge.beta is None and edge.alpha for edge in cell.edges)


def test_edge_normalisation_multiplies_the_operators_strength() -> None:
    net = search("pc-darts").engine.net
    alpha = torch.zeros(5, 4)
    alpha[2, 3], alpha[4, 2] = 1.0, 1.5
    net.alpha["normal"].data.copy_(alpha)
    net.beta["normal"].data.copy_(torch.tensor([0.0, 0.0, -2.0, 3.0, 0.0]))
    cell = derived(net, DARTS).cells["normal"]
    assert [edge.source for edge in cell.inputs_of(3)] == [1, 2]
    assert [edge.source for edge in cell.edges if not edge.kept] == [0]


def test_in_a_warm_up_only_weights_learn() -> None:
    engine = search("pc-darts", iters=4, warmup=0.5).engine
    before = [parameter.detach().clone() for parameter in engine.net.architecture()]
    for _ in range(2):
        assert engine.step().arch_loss is None
        assert all(map(torch.equal, engine.net.architecture(), before))
    assert engine.step().arch_loss is not None
    assert not any(map(torch.equal, engine.net.architecture(), before))


def test_the_published_warm_up_of_pc_darts_is_fifteen_of_fifty_epochs() -> None:
    engine = search("pc-darts", iters=None, epochs=50, batch_size=64, warmup=METHODS["pc-darts"].warmup).engine
    assert engine.warmup == 15 * engine.weight_batches.steps_per_epoch


def test_a_search_with_nothing_to_choose_is_refused() -> None:
    with pytest.raises(SettingsError, match="fewer than two"):
        search("darts-1st", ops=("none", "skip_connect"))
    with pytest.raises(SettingsError, match="warm-up"):
        search("darts-1st", warmup=1.0)


def test_recipes_are_the_published_ones() -> None:
    quarter = {"pc-darts", "drnas"}
    by_gradient = {name: recipe for name, recipe in METHODS.items() if isinstance(recipe, GradientSettings)}
    assert {name for name, recipe in by_gradient.items() if recipe.partial == 4} == quarter
    assert all(recipe.ops == DARTS.candidates for recipe in METHODS.values())
    assert [METHODS["pc-darts"].batch_size, METHODS["darts-1st"].batch_size] == [256, 64]
    assert [METHODS["pc-darts"].weight_lr_end, METHODS["darts-1st"].weight_lr_end] == [0, 1e-3]
    assert (METHODS["gdas"].relaxation, METHODS["gdas"].temperature) == ("hard-gumbel", (10, 0.1))
    assert (METHODS["snas"].relaxation, METHODS["snas"].temperature) == ("gumbel", (1, 0.03))
