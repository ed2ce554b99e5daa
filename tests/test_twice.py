"""JSON of the user's in which a key stands twice: refused, whoever reads it."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from ftso_cli.cli.app import app
from ftso_cli.studies.results import read_trials, write_settings
from ftso_cli.studies.study import read_study
from tests.studies.studies import TRAINED, written


def refused(*args: str | Path) -> str:
    result = CliRunner().invoke(app, [str(arg) for arg in args])
    assert result.exit_code == 1 and result.stderr.count("\n") == 1, result.output
    return result.stderr


def test_the_settings_of_a_training(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"data": "digits", "recipe": {"epochs": 1, "epochs": 600}}')
    assert "epochs: stands twice" in refused("train", "darts_v2", "--config", tmp_path / "config.json")


def test_the_journal_of_a_race(tmp_path: Path) -> None:
    checkpoint = '{"format": "ftso-race/3", "settings": {"nodes": 2, "nodes": 3}, "seed": 0, "data": "digits"}'
    (tmp_path / "cell.race.json").write_text(checkpoint)
    race = ("search-topology", "--rank", "race", "--budget", "2", "--resume", "-o", tmp_path / "cell.json")
    assert "no checkpoint of a race (nodes: stands twice" in refused(*race)


def test_a_study(tmp_path: Path) -> None:
    write_settings(read_study(written(tmp_path, TRAINED)), tmp_path / "kept")
    file = tmp_path / "kept" / "study.json"
    assert [one.state for one in read_trials(tmp_path / "kept")] == ["waiting"] * 2
    file.write_text(file.read_text().replace('"seeds":', '"seeds": [7], "seeds":', 1))
    assert "study.json: seeds: stands twice" in refused("sweep", "status", tmp_path / "kept")


@pytest.mark.parametrize("name", ["genotype.json", "config.json"])
def test_a_file_of_a_run(name: str, tmp_path: Path) -> None:
    options = ("--channels", "4", "--cells", "2", "--epochs", "1", "--batch-size", "256")
    assert CliRunner().invoke(app, ["train", "ftso_wide_sep3", *options, "-o", str(tmp_path / "run")]).exit_code == 0
    file = tmp_path / "run" / name
    key = "space" if name == "genotype.json" else "data"
    file.write_text(file.read_text().replace(f'"{key}":', f'"{key}": "x", "{key}":', 1))
    assert f"{name}: {key}: stands twice" in refused("evaluate", tmp_path / "run")
