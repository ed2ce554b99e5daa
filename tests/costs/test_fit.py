"""The widest network within a budget: it keeps to it, and one step more does not."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftso_cli.costs.conventions import multiply_adds
from ftso_cli.costs.fit import fit_channels
from ftso_cli.costs.network import network_cost
from ftso_cli.errors import SettingsError
from ftso_cli.genotype import library
from ftso_cli.spaces.darts import CIFAR, IMAGENET, NetworkShape

CELL = library.load_genotype("pc_darts_cifar")


@settings(max_examples=20)
@given(st.integers(60_000, 10**12))
def test_one_channel_more_is_over_the_budget_of_parameters(budget: int) -> None:
    fitted = fit_channels(CELL, CIFAR, (32, 32), params=budget)
    wider = replace(fitted, channels=fitted.channels + 1)
    assert network_cost(CELL, fitted, (32, 32)).params <= budget < network_cost(CELL, wider, (32, 32)).params


def test_the_imagenet_stem_gets_an_even_number() -> None:
    fitted = fit_channels(CELL, IMAGENET, (224, 224), macs=600_000_000)
    assert fitted == IMAGENET
    assert network_cost(CELL, replace(fitted, channels=50), (224, 224)).macs > 600_000_000


def test_the_published_width_is_found_from_its_own_cost() -> None:
    cost = network_cost(CELL, CIFAR, (32, 32))
    assert fit_channels(CELL, CIFAR, (32, 32), macs=cost.macs).channels == 36
    assert fit_channels(CELL, CIFAR, (32, 32), macs=cost.macs - 1).channels == 35


def test_both_budgets_are_kept() -> None:
    both = fit_channels(CELL, CIFAR, (32, 32), macs=10**9, params=2_000_000)
    assert both == fit_channels(CELL, CIFAR, (32, 32), params=2_000_000)
    assert both.channels < fit_channels(CELL, CIFAR, (32, 32), macs=10**9).channels


def test_the_convention_decides_what_a_budget_holds() -> None:
    counted = multiply_adds(network_cost(CELL, CIFAR, (32, 32)).total, "bn-relu")
    assert fit_channels(CELL, CIFAR, (32, 32), macs=counted - 1, convention="bn-relu").channels == 35
    assert fit_channels(CELL, CIFAR, (32, 32), macs=counted - 1).channels == 36


@pytest.mark.parametrize(
    ("shape", "budget", "complaint"),
    [
        (CIFAR, {"macs": 1000}, r"even with 1 channel it has [\d,]+ MACs, more than 1,000"),
        (IMAGENET, {"params": 1000}, r"even with 2 channels it has [\d,]+ parameters, more than 1,000"),
    ],
)
def test_a_budget_below_the_narrowest_network_is_refused(
    shape: NetworkShape, budget: dict[str, int], complaint: str
) -> None:
    with pytest.raises(SettingsError, match=complaint):
        fit_channels(CELL, shape, (32, 32), **budget)
