"""Study files: what they mean, and what is refused before anything runs."""

from pathlib import Path

import pytest

from ftso_cli.errors import SettingsError
from ftso_cli.studies import presets
from ftso_cli.studies.plan import plan
from ftso_cli.studies.study import read_study
from tests.studies.studies import BUDGETS, LENGTHS, TRAINED, written


def names(path: Path, **how: bool) -> list[str]:
    return [setting.name for setting in read_study(path, **how).settings]


def test_settings_are_laid_over_the_study(tmp_path: Path) -> None:
    plain, twice = read_study(written(tmp_path, TRAINED)).settings
    assert plain.pipeline["train"] == {"channels": 4, "cells": 3, "epochs": 1}
    assert twice.pipeline["train"] == {"channels": 4, "cells": 3, "epochs": 2}
    assert twice.pipeline["data"] == "digits"


def test_the_full_size_stands_in_the_same_file(tmp_path: Path) -> None:
    study = read_study(written(tmp_path, TRAINED), full=True)
    assert study.seeds == (0, 1, 2, 3)
    assert [setting.pipeline["train"]["epochs"] for setting in study.settings] == [600, 2]


def test_a_grid_is_every_combination_of_each_setting(tmp_path: Path) -> None:
    grid = '[grid]\ntrain.batch-size = [32, 64]\nassign-ops.op = ["skip_connect", "sep_conv_3x3"]\n'
    assert names(written(tmp_path, TRAINED + grid))[:3] == [
        "plain, batch_size 32, op skip_connect",
        "plain, batch_size 32, op sep_conv_3x3",
        "plain, batch_size 64, op skip_connect",
    ]


def test_a_study_follows_no_curvature_of_a_random_search(tmp_path: Path) -> None:
    random = '[[settings]]\nname = "random"\nsearch = { method = "random", early-stop = "eigenvalue" }\n'
    with pytest.raises(SettingsError, match="early-stop: a random search has no"):
        plan(read_study(written(tmp_path, TRAINED.replace("[full]", f"{random}\n[full]"))))


def test_a_setting_takes_the_other_strategy_start_or_length_instead_of_the_studys(tmp_path: Path) -> None:
    other = '[[settings]]\nname = "other"\nsearch-topology.epochs = 2\nsearch-ops.iters = 3\n'
    fixed = '[[settings]]\nname = "fixed"\ncell = "pc_darts_cifar"\nassign-ops = false\n'
    study = read_study(written(tmp_path, TRAINED.replace("[full]", f"{other}\n{fixed}\n[full]")))
    *_, searched, published = study.settings
    assert searched.pipeline["search-topology"] == {"channels": 4, "cells": 3, "epochs": 2}
    assert "assign-ops" not in searched.pipeline
    assert set(published.pipeline) == {"cell", "train", "data", "device", "image_size"}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("iters = 1", "itres = 1", "'itres', did you mean iters?"),
        ("iters = 1", "iters = 0", "iters must be at least 1, not 0"),
        ("iters = 1", 'iters = "1"', "iters can't be '1': input should be a valid integer"),
        ("iters = 1", 'iters = 1, op = "max_pol_3x3"', "did you mean max_pool_3x3?"),
        ("iters = 1", "iters = 1, epochs = 2", "give iters or epochs, not both"),
        ("epochs = 1 }", "epochs = 1.5 }", "epochs"),
        ("epochs = 1 }", "epochs = 1, save-every = -1 }", "save every must be at least 0, not -1"),
        ("iters = 1", 'iters = 1, seeds = "0-3", save-every = 1', "save-every: is for a search from one seed"),
        ("iters = 1", 'iters = 1, seeds = "0-3", track = "eigenvalue"', "track: is for a search from one seed"),
        ("iters = 1", 'iters = 1, track = "eigen"', "unknown track 'eigen', did you mean eigenvalue?"),
        ("iters = 1", "iters = 1, every = 0", "every must be at least 1, not 0"),
        ("iters = 1", 'iters = 1, space = "nat", op = "skip_connect"', "unknown space 'nat', did you mean nats?"),
        ("iters = 1", 'iters = 1, preset = ["paper"]', "unknown preset"),
        ("iters = 1", 'iters = 1, rank = "bta"', "unknown rank 'bta', did you mean beta?"),
        ("iters = 1", 'iters = 1, budget = "5m"', "budget: is for a race or a search that evaluates cells"),
        ("iters = 1", "iters = 1, seeds = [-1, 2]", "seeds are written as 0-15"),
        ("iters = 1", 'rank = "race", seeds = "0-3"', "seeds: is for a search by gradient, not for a race"),
        ("iters = 1", 'rank = "race", space = "nats"', "nothing to race"),
        ("iters = 1", 'rank = "race", preset = "stable"', "preset: is for a search by gradient, not for a race"),
        ("iters = 1", 'rank = "race", recipe = "imagenet"', "recipe: is for a search by gradient, not for a race"),
        ("iters = 1", 'rank = "race", nodes = "5"', "nodes can't be '5': input should be a valid integer"),
        ('op = "skip_connect"', "op = 3", "op can't be 3: input should be a valid string"),
        (
            'op = "skip_connect"',
            'op = ["skip_connect"]',
            "op can't be ('skip_connect',): input should be a valid string",
        ),
        ("epochs = 1 }", "epochs = 1, cutout = 2.0 }", "cutout must be below 1, not 2.0"),
        ("epochs = 1 }", 'epochs = 1, recipe = "quik" }', "did you mean quick?"),
        ('op = "skip_connect"', 'op = "skip_conect"', "did you mean skip_connect?"),
        ("train = {", "trian = {", "'trian', did you mean train?"),
        ('name = "twice"\ntrain.epochs = 2', 'name = "twice"', "is the same work as"),
        ('name = "twice"', 'name = "plain"', "2 settings are called 'plain'"),
        ('data = "digits"', 'data = "digits', "is no TOML"),
        ('data = "digits"', 'cell = "-"', "cell is -, but"),
        ('data = "digits"', 'seeds = "4-2"', "seeds are written as 0-15"),
    ],
)
def test_what_cannot_run_is_named_before_anything_runs(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in TRAINED
    with pytest.raises(SettingsError) as caught:
        plan(read_study(written(tmp_path, TRAINED.replace(old, new))))
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("content", "old", "new"),
    [
        (LENGTHS, 'x = "search-topology.iters"', 'x = "search-topology.iter"'),
        (BUDGETS, 'by = "train"', 'by = "search-topology"'),
        (BUDGETS, 'by = "train"', ""),
    ],
    ids=["misspelt", "the same in all settings", "left out"],
)
def test_a_figure_of_what_no_setting_changes_is_refused(tmp_path: Path, content: str, old: str, new: str) -> None:
    with pytest.raises(SettingsError, match=r"figure\.(x|by) is .*, in which no two settings differ"):
        read_study(written(tmp_path, content.replace(old, new)))


def test_what_a_race_found_is_not_pruned(tmp_path: Path) -> None:
    raced = TRAINED.replace("iters = 1", 'rank = "race", budget = "300"')
    for content, pruned in ((TRAINED, True), (raced, False)):
        trial = plan(read_study(written(tmp_path, content)))[0]
        assert ("prune" in [stage.name for stage in trial.stages]) == pruned


def test_presets_can_be_planned_at_both_sizes() -> None:
    figures = {f"figure3{part}" for part in ("a", "a-one-search", "cd", "e", "fj", "gh", "i", "kl")}
    assert set(presets.names()) == {"table1-imagenet", "table3", "table3-imagenet", "skips"} | figures
    for name in presets.names():
        for full in (False, True):
            assert plan(read_study(presets.find_study(name), full=full))


def test_an_unknown_preset_is_told_with_the_nearest() -> None:
    with pytest.raises(SettingsError, match="did you mean table3"):
        presets.find_study("table4")
