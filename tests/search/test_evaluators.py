"""Evaluators: made by name, deterministic, and clear about what they lack."""

import math
from pathlib import Path

import pytest
import torch

from ftso_cli.errors import RunError, SettingsError
from ftso_cli.genotype.library import load_genotype
from ftso_cli.search.evaluators.evaluator import EvaluationContext, ScalableEvaluator
from ftso_cli.search.evaluators.registry import EVALUATORS, make_evaluator
from ftso_cli.search.evaluators.scores import SCORES
from ftso_cli.search.recording.options import Recording
from ftso_cli.search.recording.recorder import Recorder
from ftso_cli.settings.evaluation import EVALUATOR_NAMES, PREDICTOR, EvaluationSettings, Score
from ftso_cli.settings.methods import METHODS
from tests.search.searches import CPU, OPS, digits, search


def context(**settings: object) -> EvaluationContext:
    small = {"channels": 4, "cells": 3, "batch_size": 8, "steps": 4, **settings}
    return EvaluationContext(settings=EvaluationSettings(**small), data=digits(), seed=0, device=CPU)


def test_a_short_training_rewards_a_cell_alike_whatever_torch_has_drawn_before() -> None:
    train, cell = make_evaluator(context()), load_genotype("ftso_wide_sep3")
    first = train(cell)
    torch.rand(3)
    assert train(cell) == first < 0


def test_a_longer_training_has_a_higher_reward() -> None:
    train, cell = make_evaluator(context(batch_size=32)), load_genotype("ftso_wide_sep3")
    assert isinstance(train, ScalableEvaluator)
    assert train.longer(8)(cell) > train(cell)


@pytest.mark.parametrize("name", SCORES)
def test_a_score_rewards_a_cell_alike_and_tells_it_from_another(name: Score) -> None:
    score = make_evaluator(context(evaluate=name, images=8))
    rewards = [score(load_genotype(cell)) for cell in ("ftso_wide_sep3", "darts_v2", "ftso_wide_sep3")]
    assert rewards[0] == rewards[2] != rewards[1]
    assert all(map(math.isfinite, rewards))


def test_the_names_that_are_offered_are_those_that_are_made() -> None:
    assert {*EVALUATOR_NAMES, "table"} == set(EVALUATORS)


def test_a_predictor_needs_no_images() -> None:
    predict = make_evaluator(context(evaluate=PREDICTOR))
    assert 90 < predict(load_genotype("darts_v2")) < 100


def test_an_evaluator_that_there_is_none_of_and_one_that_lacks_its_table_are_refused() -> None:
    with pytest.raises(SettingsError, match="synflop"):
        make_evaluator(context(evaluate="synflop"))
    with pytest.raises(SettingsError, match="--table"):
        make_evaluator(context(evaluate="table"))


def test_the_weights_of_a_super_net_tell_what_a_cell_of_it_names_right(tmp_path: Path) -> None:
    trained = search("gdas", iters=30, channels=8, batch_size=32, weight_lr=0.1)
    asked = METHODS["gdas"].recorded() | {"command": "search", "seed": 0, "channels": 8, "cells": 3, "nodes": 2}
    recorder = Recorder(trained, Recording(folder=tmp_path, keep_weights=True), asked | {"ops": list(OPS)})
    recorder.begin(resume=False)
    found = recorder.run(lambda progress: None)
    recorder.close()
    assert not (tmp_path / "checkpoint.safetensors").exists()
    judge = make_evaluator(context(evaluate=str(tmp_path / "supernet.safetensors")))
    assert judge(found) == judge(found) > 0.15
    best = search("reinforce", evaluate=str(tmp_path / "supernet.safetensors"), budget=5, ops=OPS[1:])
    assert best.run(lambda progress: None).stage == "complete"
    with pytest.raises(SettingsError, match="give its --nodes"):
        judge(load_genotype("ftso_wide_sep3"))
    (tmp_path / "other.safetensors").write_bytes(b"x")
    with pytest.raises(RunError, match="damaged"):
        make_evaluator(context(evaluate=str(tmp_path / "other.safetensors")))
