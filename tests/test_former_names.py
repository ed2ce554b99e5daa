"""Options and keys by the names of version 0.1: calls, commands, studies and files that have them still work."""

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
from ftso_cli.studies.plan import plan
from ftso_cli.studies.results import read_settings, write_settings
from ftso_cli.studies.study import parse_study
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
