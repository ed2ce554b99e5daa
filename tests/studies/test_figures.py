"""Pictures of studies, from trials with accuracies that are known, and what their pairs are."""

import re
from pathlib import Path

import pytest

from ftso_cli.studies import figures
from ftso_cli.studies.pairs import describe_correlation, pairs
from ftso_cli.studies.results import Trial
from ftso_cli.studies.study import Study, read_study
from tests.studies.studies import BUDGETS, LENGTHS, done, written


def drawn(study: Study, trials: list[Trial], path: Path) -> str:
    figures.draw_figure(study, trials, path)
    return path.read_text(encoding="utf-8")


def test_each_value_is_paired_with_the_last_seed_by_seed(tmp_path: Path) -> None:
    study = read_study(written(tmp_path, BUDGETS), changes={"seeds": "0-3"})
    trials = done(study, [[0.1, 0.2, 0.3, 0.4], [0.2, 0.1, 0.4, 0.3], [0.5, 0.6, 0.7, 0.8]])
    short, long = pairs(study, [one for one in trials if (one.setting, one.seed) != (study.settings[1].name, 3)])
    assert (short.first, long.first) == ("short", "long")
    assert short.second == long.second == '{"cells": 3, "channels": 8, "epochs": 1}'
    assert [x for x, _ in short.points] == pytest.approx([10, 20, 30, 40])
    assert [y for _, y in short.points] == pytest.approx([50, 60, 70, 80])
    assert [x for x, _ in long.points] == pytest.approx([20, 10, 40]), "a pair is told once both are done"
    assert short.correlation.pearson == pytest.approx(1)
    assert describe_correlation(long.correlation) == "Pearson 0.65, Spearman 0.50, 3 pairs"


def test_a_scatter_has_a_panel_a_pair_with_its_correlation(tmp_path: Path) -> None:
    study = read_study(written(tmp_path, BUDGETS), changes={"seeds": "0-3"})
    trials = done(study, [[0.1, 0.2, 0.3, 0.4], [0.2, 0.1, 0.4, 0.3], [0.5, 0.6, 0.7, 0.8]])
    text = drawn(study, trials, tmp_path / "figure.svg")
    assert re.findall(r"Pearson [-.0-9]+ \(", text) == ["Pearson 1.00 (", "Pearson 0.60 ("]
    assert "test accuracy, %: short" in text


def test_lines_are_marked_where_there_are_dots_and_show_the_other_measure_beside(tmp_path: Path) -> None:
    study = read_study(written(tmp_path, LENGTHS), changes={"seeds": "0-1"})
    text = drawn(study, done(study, [[0.1, 0.2], [0.2, 0.3], [0.3, 0.4]]), tmp_path / "figure.svg")
    assert [len(re.findall(f">{label}</text>", text)) for label in ("1", "17", "391")] == [2, 2, 2]
    assert "dominant eigenvalue" in text


@pytest.mark.parametrize("content", [BUDGETS, LENGTHS], ids=["scatter", "lines"])
def test_a_study_that_has_just_begun_is_drawn_empty(tmp_path: Path, content: str) -> None:
    assert "<svg" in drawn(read_study(written(tmp_path, content)), [], tmp_path / "figure.svg")
