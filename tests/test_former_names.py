"""Options and keys by the names of earlier versions: calls, commands, studies and files that have them still work."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

import ftso_cli
from ftso_cli.cli.app import app
from ftso_cli.errors import SettingsError
from ftso_cli.genotype import storage
from ftso_cli.report.commands import commands
from ftso_cli.search.recording.options import Recording
from ftso_cli.search.recording.recorder import Recorder
from ftso_cli.settings.options import FORMER_NAMES
from ftso_cli.settings.requests.train import TrainRequest
from ftso_cli.studies.analysis.results import read_settings, write_settings
from ftso_cli.studies.plan import plan
from ftso_cli.studies.study import parse_study
from ftso_cli.training.run import Run
from tests.search.searches import search

TINY = {"iters": 1, "channels": 4, "cells": 2, "nodes": 2, "batch_size": 32}

STUDY = b"""
seeds = 1
[search-topology]
weight-rate = 0.1
iters = 1
[assign-ops]
op = "skip_connect"
[train]
epochs = 1
[grid]
search-topology.arch-rate = [0.01, 0.02]
[figure]
kind = "lines"
x = "search-topology.arch-rate"
"""


def test_keywords_flags_and_a_history_of_version_0_1_mean_the_same(tmp_path: Path) -> None:
    found = ftso_cli.search_topology("digits", weight_rate=0.1, arch_rate=0.02, **TINY)
    assert found.history[-1].settings["weight_lr"] == 0.1 and found.history[-1].settings["arch_lr"] == 0.02
    file = tmp_path / "cell.json"
    words = [word for name, value in TINY.items() for word in (f"--{name.replace('_', '-')}", value)]
    words = ["search-topology", *words, "--weight-rate", "0.1", "--arch-rate", "0.02", "-o", file]
    assert CliRunner().invoke(app, [str(word) for word in words]).exit_code == 0
    assert storage.read_genotype(file).history == found.history
    text = file.read_text(encoding="utf-8")
    for former, name in FORMER_NAMES.items():
        text = text.replace(f'"{name}"', f'"{former}"')
    file.write_text(text, encoding="utf-8")
    (command,) = commands(storage.read_genotype(file), str(file))
    assert "--weight-lr 0.1" in command and "--arch-lr 0.02" in command and "rate" not in command


def test_a_budget_of_cells_was_called_samples(tmp_path: Path) -> None:
    size = {"channels": 4, "cells": 2, "nodes": 2, "batch_size": 16, "steps": 2}
    found = ftso_cli.search_baseline("random", "digits", samples=2, **size)
    assert found.history[-1].settings["budget"] == "2"
    words = [word for name, value in size.items() for word in (f"--{name.replace('_', '-')}", value)]
    words = ["search", "-m", "random", *words, "--samples", 2, "-o", tmp_path / "cell.json"]
    assert CliRunner().invoke(app, [str(word) for word in words]).exit_code == 0
    assert storage.read_genotype(tmp_path / "cell.json").history == found.history


@pytest.mark.parametrize("name", ["samples", "budget"])
def test_a_study_of_either_budget_is_the_same_work(name: str) -> None:
    text = f'search = {{ method = "random", {name} = 2 }}\ntrain = {{ epochs = 1 }}'.encode()
    (trial,) = plan(parse_study(text, "study.toml", "study", full=False, changes={}))
    # The folder that version 0.2 gave this search.
    assert trial.stages[0].options["budget"] == 2 and trial.stages[0].folder == "search-4fde8424f4eb"


@pytest.mark.parametrize("name", ["save_every", "save_minutes"])
def test_checkpoints_of_a_training_have_one_interval_by_either_name(name: str, tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text(f'{{"{name}": 0.5}}')
    by_file = TrainRequest("darts_v2", config=tmp_path / "settings.json")
    by_keyword = TrainRequest("darts_v2", **{name: 0.5})
    assert by_file.file.save_every == by_keyword.file.save_every == 0.5
    study = f'cell = "darts_v2"\ntrain = {{ {name.replace("_", "-")} = 0.5 }}'.encode()
    (setting,) = parse_study(study, "study.toml", "study", full=False, changes={}).settings
    assert setting.pipeline["train"] == {"save_every": 0.5}
    small = ("--channels", "4", "--cells", "2", "--epochs", "1", "--batch-size", "256", "--auxiliary", "0")
    flag, run = f"--{name.replace('_', '-')}", tmp_path / "run"
    assert CliRunner().invoke(app, ["train", "darts_v2", *small, flag, "0.5", "-o", str(run)]).exit_code == 0
    config = run / "config.json"
    assert '"save_every": 0.5' in config.read_text()
    config.write_text(config.read_text().replace("save_every", name))
    assert TrainRequest(config=config).file.save_every == 0.5
    assert Run(run).config().save_every == 0.5


def test_a_file_has_an_option_by_one_of_its_names(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text('{"save_every": 1, "save_minutes": 2}')
    with pytest.raises(SettingsError, match="save_minutes"):
        _ = TrainRequest("darts_v2", config=tmp_path / "settings.json").file


def test_help_lists_present_names_alone() -> None:
    text = CliRunner().invoke(app, ["search", "--help"]).stdout
    assert "--weight-lr" in text and "--weight-rate" not in text


def test_a_command_without_the_option_knows_neither_name() -> None:
    with pytest.raises(SettingsError, match="weight_rate"):
        ftso_cli.prune("cell.json", weight_rate=0.1)


def test_a_study_of_version_0_1_is_read_and_finds_its_work_again(tmp_path: Path) -> None:
    study = parse_study(STUDY, "study.toml", "study", full=False, changes={})
    now = parse_study(STUDY.replace(b"-rate", b"-lr"), "study.toml", "study", full=False, changes={})
    assert study.settings == now.settings and len(study.settings) == 2
    write_settings(now, tmp_path)
    kept = tmp_path / "study.json"
    kept.write_text(kept.read_text().replace('"weight_lr"', '"weight_rate"').replace('"arch_lr"', '"arch_rate"'))
    assert read_settings(tmp_path).settings == now.settings
    # The folder that version 0.1 gave this search.
    assert plan(study)[0].stages[0].folder == "search-topology-ffdd1f3e95a2"


def test_a_search_that_version_0_1_began_goes_on(tmp_path: Path) -> None:
    was, now = ({"seed": 0, name: 0.1} for name in ("weight_rate", "weight_lr"))
    first = Recorder(search("topology", iters=2), Recording(folder=tmp_path, every=1), was)
    first.begin(resume=False)
    first.run(lambda progress: None)
    again = Recorder(search("topology", iters=2), Recording(folder=tmp_path, every=1), now)
    again.begin(resume=True)
    assert again.engine.iteration == 2
