"""The network and recipe that are chosen for a set of images, a machine and a time."""

from collections.abc import Collection
from dataclasses import replace

import pytest
import torch

from ftso_cli.costs.network import network_cost
from ftso_cli.data import ImageData
from ftso_cli.data.sources import ArraySource
from ftso_cli.errors import SettingsError
from ftso_cli.genotype import library
from ftso_cli.settings.recipes import AUTO, RECIPES, Recipe
from ftso_cli.spaces.darts import NetworkShape
from ftso_cli.training.budget import FINISH
from ftso_cli.training.planning import (
    OVERHEAD,
    Limits,
    MeasuredTimes,
    Plan,
    Planner,
    batch_for,
    stem_for,
    wanted_epochs,
)

CELL = library.load_genotype("ftso_single")


def images(count: int, side: int = 32, classes: int = 4) -> ImageData:
    labels = torch.arange(count) % classes
    source = ArraySource(torch.zeros(count, 3, side, side, dtype=torch.uint8), labels, side)
    names = tuple(f"class {label}" for label in range(classes))
    size = (side, side)
    return ImageData(name="grey", classes=names, channels=3, image_size=size, train=source, test=source, flip=True,
                     mean=(0.5,) * 3, std=(0.5,) * 3)  # fmt: skip


class ByWidth:
    """A machine on which seconds grow as the multiply-adds do."""

    def training(self, shape: NetworkShape, recipe: Recipe) -> float:
        return shape.channels**2 * 2e-6

    def use(self, shape: NetworkShape) -> float:
        return shape.channels**2 * 1e-6


def plan(data: ImageData, limits: Limits, recipe: Recipe = RECIPES[AUTO], given: Collection[str] = ()) -> Plan:
    return Planner(CELL, data, recipe, given, ByWidth()).plan(limits)


def test_more_time_gives_a_wider_network_and_as_many_epochs_as_the_set_needs() -> None:
    found = [plan(images(2000), Limits(seconds=seconds)) for seconds in (10, 60, 600, 6000)]
    widths = [each.recipe.channels for each in found]
    assert widths == sorted(set(widths))
    assert all(each.epochs >= wanted_epochs(2000, each.recipe.channels) for each in found[1:])
    assert all(each.seconds <= limit for each, limit in zip(found, (10, 60, 600, 6000), strict=True))


def test_the_seconds_of_saving_and_the_page_are_no_time_for_epochs() -> None:
    short = plan(images(2000), Limits(seconds=FINISH + 1))
    assert short.recipe.channels == 8
    assert short.epochs == int(1 / (64 * 2e-6 * OVERHEAD * 2000))
    assert FINISH < short.seconds <= FINISH + 1
    assert plan(images(2000), Limits(seconds=0)).epochs == 1


def test_more_images_take_fewer_epochs_each() -> None:
    counts = [100, 1000, 10_000, 50_000, 1_000_000]
    wanted = [wanted_epochs(count, 96) for count in counts]
    assert wanted == sorted(wanted, reverse=True)
    assert wanted[3] == wanted[4] == 19
    assert [wanted_epochs(1000, channels) for channels in (12, 24, 48, 96)] == [23, 46, 93, 93]
    assert [wanted_epochs(5000, channels) for channels in (8, 32, 48)] == [5, 20, 30]
    assert [wanted_epochs(50_000, channels) for channels in (8, 48, 96)] == [5, 10, 19]
    assert [batch_for(count) for count in (2, 300, 1000, 50_000)] == [16, 16, 64, 128]


@pytest.mark.parametrize(
    "given",
    [{"channels": 20}, {"stem": "cifar", "reduction": "residual"}, {"batch_size": 10, "rate": 0.3}, {"epochs": 7}],
)
def test_what_is_given_is_never_changed(given: dict[str, object]) -> None:
    found = plan(images(500), Limits(seconds=60), replace(RECIPES[AUTO], **given), given)  # type: ignore[arg-type]
    assert {name: getattr(found.recipe, name) for name in given} == given
    assert not {decision.option for decision in found.decisions} & given.keys()


def test_more_epochs_than_usual_take_a_narrower_network() -> None:
    usual = plan(images(500), Limits(seconds=60))
    narrow = plan(images(500), Limits(seconds=60), replace(RECIPES[AUTO], epochs=500), {"epochs"})
    assert narrow.recipe.channels < usual.recipe.channels
    assert narrow.seconds <= 60
    few = plan(images(500), Limits(seconds=60), replace(RECIPES[AUTO], epochs=5), {"epochs"})
    assert few.recipe.channels == usual.recipe.channels


def test_the_network_keeps_to_its_limits() -> None:
    data = images(2000)
    free = plan(data, Limits(seconds=10_000)).recipe
    for name, limit in (("params", 50_000), ("macs", 3_000_000)):
        recipe = plan(data, Limits(seconds=10_000, **{name: limit})).recipe
        assert recipe.channels < free.channels
        shapes = [replace(recipe, channels=channels).shape(classes=4, image_channels=3)
                  for channels in (recipe.channels, recipe.channels + 2)]  # fmt: skip
        fits, too_wide = (getattr(network_cost(CELL, shape, (32, 32)), name) for shape in shapes)
        assert fits <= limit < too_wide
    assert plan(data, Limits(seconds=10_000, latency=600e-6)).recipe.channels == 24
    with pytest.raises(SettingsError, match=r"^nothing fits: with 8 channels an image takes 0\.064 ms"):
        plan(data, Limits(seconds=60, latency=1e-5))
    with pytest.raises(SettingsError, match="nothing fits"):
        plan(data, Limits(seconds=60, params=10))


def test_a_given_width_keeps_to_the_limits_or_is_refused() -> None:
    wide, narrow = (replace(RECIPES[AUTO], channels=channels) for channels in (64, 8))
    for limits in (Limits(seconds=60, params=50_000), Limits(seconds=60, macs=3_000_000)):
        assert plan(images(500), limits, narrow, {"channels"}).recipe.channels == 8
        with pytest.raises(SettingsError, match=r"^nothing fits: with 64 channels it has .*, more than "):
            plan(images(500), limits, wide, {"channels"})


def test_cells_begin_at_maps_of_moderate_size() -> None:
    stems = [stem_for(side) for side in (8, 16, 28, 32, 64, 128)]
    assert stems == ["cifar", "cifar", "pooled", "pooled", "pooled-quarter", "pooled-quarter"]


@pytest.mark.parametrize("side", [8, 32, 64])
def test_a_given_width_has_the_stem_that_it_can_have(side: int) -> None:
    for channels in (33, 34):
        recipe = replace(RECIPES[AUTO], channels=channels)
        found = plan(images(500, side=side), Limits(seconds=60), recipe, {"channels"}).recipe
        assert found.stem == (stem_for(side) if channels == 34 or side == 8 else "half")


def test_cells_of_the_darts_space_keep_their_own_reductions() -> None:
    data, limits = images(500), Limits(seconds=60)
    assert plan(data, limits).recipe.reduction == "pooled"
    found = Planner(library.load_genotype("ftso_block"), data, RECIPES[AUTO], (), ByWidth()).plan(limits)
    assert found.recipe.reduction == "residual"


def test_a_pace_is_measured_on_this_machine_and_leaves_random_numbers_alone() -> None:
    before = torch.random.get_rng_state()
    watch = MeasuredTimes(genotype=CELL, size=(32, 32), device=torch.device("cpu"), precision="bfloat16")
    shape = NetworkShape(channels=4, cells=3, classes=4, stem="half")
    assert watch.training(shape, replace(RECIPES[AUTO], batch_size=4)) > 0
    assert watch.use(shape) > 0
    assert torch.equal(torch.random.get_rng_state(), before)
