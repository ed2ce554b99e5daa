"""What a training is asked for: a recipe, the values of a file, and those that overrule both."""

from dataclasses import asdict, replace
from typing import Any

import pytest

from ftso_cli.errors import SettingsError
from ftso_cli.settings.config_file import ConfigFile
from ftso_cli.settings.recipes import RECIPES


def test_the_values_of_a_file_overrule_the_recipe_that_is_named_beside_it() -> None:
    asked = ConfigFile(recipe={"name": "quick", "rate": 0.5})
    assert asked.settings("cifar", {"epochs": 7}) == replace(RECIPES["cifar"], rate=0.5, epochs=7)


def test_a_recipe_named_beside_the_config_of_a_run_takes_the_place_of_its_values() -> None:
    asked = ConfigFile(recipe=asdict(RECIPES["quick"]))
    assert asked.settings(None, {}) == RECIPES["quick"]
    assert asked.settings("cifar", {"epochs": 7}) == replace(RECIPES["cifar"], epochs=7)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"rate": 0.0}, "rate must be above 0"),
        ({"momentum": 1.0}, "momentum must be below 1, not 1"),
        ({"clip": 1e-9}, "clip must be at least 0.001, or 0 for no clipping, not 1e-09"),
        ({"warmup": 10, "epochs": 3}, "a warm-up of 10 epochs never reaches the rate in 3"),
        ({"warmup": 13}, "a warm-up of 13 epochs never reaches the rate in 12"),
    ],
)
def test_values_that_train_nothing_are_refused(values: dict[str, float], reason: str) -> None:
    for asked, overruled in ((ConfigFile(), values), (ConfigFile(recipe=values), {})):
        with pytest.raises(SettingsError, match=reason):
            asked.settings("quick", overruled)


def test_a_clip_of_zero_and_a_warm_up_of_all_epochs_are_allowed() -> None:
    assert ConfigFile().settings("quick", {"clip": 0.0, "warmup": 12}).clip == 0


@pytest.mark.parametrize(("epochs", "warmup"), [(250, 5), (10, 5), (9, 0), (3, 0), (1, 0)])
def test_the_warm_up_of_a_recipe_keeps_its_share_of_fewer_epochs(epochs: int, warmup: int) -> None:
    assert ConfigFile().settings("imagenet", {"epochs": epochs}).warmup == warmup


@pytest.mark.parametrize(
    ("recipe", "given", "cutout"),
    [
        ("quick", {"augmentation": "strong"}, 0.25),
        ("cifar", {"augmentation": "strong"}, 0.25),
        ("cifar", {"augmentation": "light"}, 0),
        ("quick", {"augmentation": "none"}, 0),
        ("quick", {"augmentation": "none", "cutout": 0.4}, 0.4),
        ("quick", {"augmentation": "imagenet"}, 0.25),
        ("quick", {"augmentation": "cifar"}, 0.25),
    ],
)
def test_an_augmentation_brings_its_cutout_where_none_is_asked_for(
    recipe: str, given: dict[str, Any], cutout: float
) -> None:
    assert ConfigFile().settings(recipe, given).cutout == cutout
    assert ConfigFile(recipe={"name": recipe, **given}).settings(None, {}).cutout == cutout


def test_an_augmentation_beside_the_config_of_a_run_brings_its_cutout() -> None:
    of_run = ConfigFile(recipe=asdict(replace(RECIPES["quick"], augmentation="strong", cutout=0.5)))
    assert of_run.settings(None, {}).cutout == of_run.settings(None, {"augmentation": "strong"}).cutout == 0.5
    assert of_run.settings(None, {"augmentation": "light"}).cutout == 0
    assert of_run.settings(None, {"augmentation": "cifar"}).cutout == 0.25
