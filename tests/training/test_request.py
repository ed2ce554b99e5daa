"""What a training is asked for: a recipe, the values of a file, and those that overrule both."""

from dataclasses import asdict, replace

from ftso_cli.training.recipes import RECIPES
from ftso_cli.training.request import Request


def test_the_values_of_a_file_overrule_the_recipe_that_is_named_beside_it() -> None:
    asked = Request(recipe={"name": "quick", "rate": 0.5})
    assert asked.settings("cifar", {"epochs": 7}) == replace(RECIPES["cifar"], rate=0.5, epochs=7)


def test_a_recipe_named_beside_the_config_of_a_run_takes_the_place_of_its_values() -> None:
    asked = Request(recipe=asdict(RECIPES["quick"]))
    assert asked.settings(None, {}) == RECIPES["quick"]
    assert asked.settings("cifar", {"epochs": 7}) == replace(RECIPES["cifar"], epochs=7)
