"""The stages of trials: shared where they are the same work, and made of options that the commands have."""

import inspect
import math
from pathlib import Path

import pytest

from ftso_cli.cli.app import COMMANDS
from ftso_cli.errors import FtsoError
from ftso_cli.studies.plan import plan
from ftso_cli.studies.stages import STAGES, check, known
from ftso_cli.studies.study import read_study
from tests.studies.studies import TRAINED, written


def test_trials_share_the_stages_that_are_the_same_work(tmp_path: Path) -> None:
    one, two, *_ = plan(read_study(written(tmp_path, TRAINED), changes={"seeds": "0-1"}))
    assert [stage.name for stage in one.stages] == ["search-topology", "prune", "assign-ops", "train"]
    assert [a.key == b.key for a, b in zip(one.stages, two.stages, strict=True)] == [True, True, True, False]


def test_another_seed_is_other_work_from_the_first_stage_on(tmp_path: Path) -> None:
    one, _, other, _ = plan(read_study(written(tmp_path, TRAINED), changes={"seeds": "0-1"}))
    assert not {stage.key for stage in one.stages} & {stage.key for stage in other.stages}


def test_a_seed_that_a_stage_fixes_makes_its_work_common(tmp_path: Path) -> None:
    fixed = TRAINED.replace("iters = 1", "iters = 1, seed = 7")
    one, _, other, _ = plan(read_study(written(tmp_path, fixed), changes={"seeds": "0-1"}))
    assert [a.key == b.key for a, b in zip(one.stages, other.stages, strict=True)] == [True, True, True, False]


@pytest.mark.parametrize("many", ['seeds = "0-3"', 'preset = "stable"'])
def test_an_ensemble_has_seeds_of_its_own_and_is_searched_once_for_all_trials(many: str, tmp_path: Path) -> None:
    one, _, other, _ = plan(read_study(written(tmp_path, TRAINED.replace("iters = 1", many)), changes={"seeds": "0-1"}))
    assert [a.key == b.key for a, b in zip(one.stages, other.stages, strict=True)] == [True, True, True, False]


def test_what_decides_no_result_makes_no_other_work(tmp_path: Path) -> None:
    kept = TRAINED.replace("iters = 1", "iters = 1, save-every = 0.5").replace(
        "epochs = 1 }", "epochs = 1, tensorboard = true }"
    )
    keys = [[trial.key for trial in plan(read_study(written(tmp_path, text)))] for text in (TRAINED, kept)]
    assert keys[0] == keys[1]


def test_every_option_of_a_stage_is_one_of_its_command() -> None:
    for name in STAGES:
        (function,) = COMMANDS[name].functions(name).values()
        assert set(known(name)) - set(inspect.signature(function).parameters) <= {"of"}, name


def test_a_value_of_any_type_is_taken_or_refused_in_one_line() -> None:
    refused = 0
    for name in STAGES:
        for option in known(name):
            for value in (None, [], [None], [1], {}, {"a": 1}, True, 1.5, math.nan, 10**40, "", "x"):
                try:
                    check(name, {option: value})
                except FtsoError as error:
                    assert "\n" not in str(error)
                    refused += 1
    assert refused > 1000
