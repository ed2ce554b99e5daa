import math
from dataclasses import replace
from itertools import pairwise

import pytest

from ftso_cli.errors import SettingsError
from ftso_cli.settings.recipes import RECIPES, Recipe, recipe
from ftso_cli.training.step.schedule import RISE, Course, drop_path_rate, learning_rate, step_drop_path, step_rate

CIFAR, IMAGENET = RECIPES["cifar"], RECIPES["imagenet"]


def test_the_first_epoch_has_the_full_rate_and_the_last_is_close_to_zero_but_not_idle() -> None:
    assert learning_rate(CIFAR, 0) == 0.025
    assert learning_rate(CIFAR, 300) == pytest.approx(0.0125)
    assert learning_rate(CIFAR, 599) == pytest.approx(0.025 * (1 + math.cos(math.pi * 599 / 600)) / 2)
    assert 0 < learning_rate(CIFAR, 599) < 1e-6


def published(epochs: int, epoch: int, rate: float = 0.5) -> float:
    """The rate of `adjust_lr` in PC-DARTS' train_imagenet.py, warm-up left out."""
    if epochs - epoch > 5:
        return rate * (epochs - 5 - epoch) / (epochs - 5)
    return rate * (epochs - epoch) / ((epochs - 5) * 5)


def test_imagenet_warms_up_over_five_epochs_while_the_rate_falls_as_in_published_code() -> None:
    rates = [learning_rate(IMAGENET, epoch) for epoch in range(250)]
    assert rates[:5] == pytest.approx([published(250, epoch) * (epoch + 1) / 5 for epoch in range(5)])
    assert rates[5:] == pytest.approx([published(250, epoch) for epoch in range(5, 250)])
    assert [round(rate, 4) for rate in (rates[0], rates[5], rates[245], rates[249])] == [0.1, 0.4898, 0.002, 0.0004]


@pytest.mark.parametrize("epochs", [1, 2, 5, 6, 10, 50])
def test_a_linear_schedule_of_any_length_falls_from_the_full_rate_and_never_to_zero(epochs: int) -> None:
    recipe = replace(IMAGENET, epochs=epochs, warmup=0)
    rates = [learning_rate(recipe, epoch) for epoch in range(epochs)]
    assert rates[0] == 0.5 and min(rates) > 0
    assert all(before >= after for before, after in pairwise(rates))
    if epochs > 5:
        assert rates == pytest.approx([published(epochs, epoch) for epoch in range(epochs)])


def test_a_cosine_has_its_full_rate_after_the_warm_up() -> None:
    recipe = replace(CIFAR, epochs=20, warmup=5)
    rates = [learning_rate(recipe, epoch) for epoch in range(20)]
    assert rates[:6] == pytest.approx([0.025 * share for share in (0.2, 0.4, 0.6, 0.8, 1, 1)])
    assert all(before > after > 0 for before, after in pairwise(rates[5:]))


def test_drop_path_rises_from_zero_in_a_line() -> None:
    assert [drop_path_rate(CIFAR, epoch) for epoch in (0, 300, 598)] == pytest.approx([0, 0.15, 0.3 * 598 / 600])


def whole(recipe: Recipe, steps: int) -> Course:
    return Course(length=recipe.epochs * steps, end=recipe.epochs * steps)


@pytest.mark.parametrize("name", ["quick", "cifar", "imagenet"])
@pytest.mark.parametrize("steps", [1, 7, 22, 520])
def test_published_schedules_are_stepped_after_each_epoch_to_the_last_bit(name: str, steps: int) -> None:
    recipe = RECIPES[name]
    course = whole(recipe, steps)
    for epoch in range(recipe.epochs):
        for step in {epoch * steps, epoch * steps + steps // 2, (epoch + 1) * steps - 1}:
            assert step_rate(recipe, course, step, steps) == learning_rate(recipe, epoch)
            assert step_drop_path(recipe, course, step, steps) == drop_path_rate(recipe, epoch)


def test_one_cycle_rises_in_a_line_and_falls_in_a_cosine_and_no_step_is_idle() -> None:
    recipe = replace(CIFAR, schedule="one-cycle", epochs=10)
    rates = [step_rate(recipe, whole(recipe, 20), step, 20) for step in range(200)]
    top = round(RISE * 200)
    assert rates[0] == pytest.approx(0.025 * 0.5 / top) and rates[-1] > 0
    assert [b - a for a, b in pairwise(rates[:top])] == pytest.approx([0.025 / top] * (top - 1))
    assert max(rates) == pytest.approx(0.025, rel=1e-3) and rates.index(max(rates)) in (top - 1, top)
    assert all(a > b for a, b in pairwise(rates[top:]))
    middle = top + (200 - top) // 2
    assert rates[middle] == pytest.approx(0.0125, rel=0.02)
    longer = replace(recipe, warmup=5)
    assert [step_rate(longer, whole(recipe, 20), step, 20) for step in (99, 100)] == pytest.approx(
        [0.025] * 2, rel=0.01
    )


def test_one_cycle_of_a_single_step_trains() -> None:
    recipe = replace(CIFAR, schedule="one-cycle", epochs=1)
    assert 0 < step_rate(recipe, whole(recipe, 1), 0, 1) < 0.025
    assert 0 < step_rate(replace(recipe, warmup=1), whole(recipe, 1), 0, 1) < 0.025


def test_a_course_that_is_cut_goes_on_from_its_place_and_ends_at_the_end_of_the_schedule() -> None:
    course = Course(length=1000, end=1000).ending(600, now=200)
    assert course.at(200) == 200 and course.at(400) == 600 and course.at(600) == 1000
    again = course.ending(500, now=400)
    assert again.at(400) == 600 and again.at(450) == 800 and again.at(500) == 1000
    short = Course(length=1000, end=400)
    assert short.at(0) == 0 and short.at(100) == 250 and short.at(400) == 1000


@pytest.mark.parametrize("schedule", ["cosine", "linear", "one-cycle"])
def test_the_rate_of_a_cut_training_does_not_jump_back_and_ends_low(schedule: str) -> None:
    recipe = replace(CIFAR, schedule=schedule, epochs=20)
    cut = whole(recipe, 10).ending(100, now=75)
    rates = [step_rate(recipe, whole(recipe, 10) if step < 75 else cut, step, 10) for step in range(100)]
    assert all(a >= b for a, b in pairwise(rates[40:]))
    assert 0 < rates[-1] < 0.25 * rates[75]


def test_the_published_recipes_are_those_of_table_4() -> None:
    assert (CIFAR.cells, CIFAR.channels, CIFAR.rate, CIFAR.schedule) == (20, 36, 0.025, "cosine")
    assert (IMAGENET.cells, IMAGENET.channels, IMAGENET.rate, IMAGENET.schedule) == (14, 48, 0.5, "linear")
    assert (IMAGENET.epochs, IMAGENET.stem, CIFAR.epochs) == (250, "imagenet", 600)


@pytest.mark.parametrize(
    ("name", "value"), [("epochs", 0), ("batch_size", 1), ("rate", -1.0), ("rate", math.nan), ("drop_path", 1.0)]
)
def test_values_outside_their_range_are_refused(name: str, value: float) -> None:
    values = {"channels": 4, "cells": 3, "epochs": 1, "batch_size": 8, "rate": 0.1, name: value}
    with pytest.raises(SettingsError, match=name.replace("_", " ")):
        Recipe(**values)


def test_an_unknown_recipe_is_answered_with_the_known_ones() -> None:
    with pytest.raises(SettingsError, match="unknown recipe 'cifr', did you mean cifar"):
        recipe("cifr")
