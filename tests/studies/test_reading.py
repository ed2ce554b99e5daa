"""A study that somebody else keeps: at odd paths, in folders that can't be written, locked, and with edited records."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from ftso_cli.cli.app import app
from ftso_cli.errors import FileError, RunError
from ftso_cli.studies.analysis import results
from tests.disks import small_disk
from tests.forks import run_ftso
from tests.studies.studies import looked_up

READING = ["sweep status", "sweep results", "report"]


def ftso(*args: str | Path) -> Result:
    return CliRunner().invoke(app, [str(arg) for arg in args])


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a study with two trials, in a folder whose name would be half a URL."""
    folder = tmp_path_factory.mktemp("studies") / "50% off? {a} #1"
    folder.mkdir()
    study = looked_up(folder, "0")
    done = run_ftso("sweep", study, "-o", folder / "run?", "-w", "1")
    assert done.returncode == 0, done.stderr.decode()
    return folder / "run?"


@pytest.fixture
def study(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "study"))


def test_a_study_is_kept_in_its_folder_whatever_signs_its_path_has(whole: Path) -> None:
    assert (whole / "trials.db").is_file()
    assert {path.name for path in whole.parent.iterdir()} == {whole.name, "drawn.toml", "nats.json", "table.csv"}
    assert [one.state for one in results.read_trials(whole)] == ["done", "done"]


@pytest.mark.parametrize("command", READING)
def test_a_study_is_read_where_nothing_can_be_written(command: str, study: Path, tmp_path: Path) -> None:
    with small_disk(study, 1000, read_only=True):
        more = ["-o", tmp_path / "page.html"] if command == "report" else []
        result = ftso(*command.split(), study, *more)
    assert result.exit_code == 0, result.output


def test_a_study_without_a_database_has_nothing_done_and_gets_none(study: Path) -> None:
    (study / "trials.db").unlink()
    assert {one.state for one in results.read_trials(study)} == {"waiting"}
    assert not (study / "trials.db").exists()


def test_a_locked_database_is_told(study: Path) -> None:
    with sqlite3.connect(study / "trials.db") as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(FileError, match=r"trials\.db: can't be read .*locked.*; another program holds it"):
            results.read_trials(study)
        other.rollback()
    other.close()


def edit(study: Path, statement: str, *values: object) -> None:
    with sqlite3.connect(study / "trials.db") as rows:
        rows.execute(statement, values)
    rows.close()


def record(study: Path, key: str, value: object) -> None:
    """Puts another value into the records of all trials."""
    edit(study, "UPDATE trial_user_attributes SET value_json = ? WHERE key = ?", json.dumps(value), key)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("accuracy", value) for value in (float("nan"), 2, "high", [1], 10**400)),
        *(("seconds", value) for value in (5, {"train": "long"}, {"train": float("inf")}, {"train": 1e300})),
        *(("measures", value) for value in ("x", {"eigenvalue": float("nan")})),
        *(("folders", value) for value in ({"query": "/etc"}, {"query": "../../elsewhere"}, {"query": "a/b"}, [], 3)),
        *(("parameters", value) for value in (-1, 0.5, 10**30)),
        *(("cells", value) for value in (3, ["x"])),
    ],
    ids=str,
)
def test_an_edited_record_is_refused_in_one_line(key: str, value: object, study: Path) -> None:
    record(study, key, value)
    result = ftso("sweep", "status", study)
    assert result.exit_code == 1, result.output
    assert "is damaged" in result.stderr and "a fault in ftso" not in result.stderr


@pytest.mark.parametrize("command", READING[1:])
def test_every_command_refuses_an_edited_record(command: str, study: Path) -> None:
    record(study, "accuracy", 2)
    result = ftso(*command.split(), study, *(["-o", study / "page.html"] if command == "report" else []))
    assert result.exit_code == 1 and "is damaged" in result.stderr


@pytest.mark.parametrize(
    ("statement", "value"),
    [
        ("UPDATE trials SET state = ?", "CON"),
        ("UPDATE trial_user_attributes SET value_json = ?", "{"),
    ],
)
def test_an_edited_database_is_refused_in_one_line(statement: str, value: object, study: Path) -> None:
    edit(study, statement, value)
    result = ftso("sweep", "status", study)
    assert result.exit_code == 1 and "trials.db: can't be read" in result.stderr


Change = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda known: known.update(seeds=list(range(5001))), "seeds: holds more than the 5000"),
        (lambda known: known.update(seeds=list(range(4000))), "trials, settings times seeds"),
        (lambda known: known.update(seeds=[-1]), "seeds"),
        (lambda known: known["settings"].append(known["settings"][0]), "settings are called"),
        (lambda known: known["settings"][0].update(pipeline={"query": 3}), "has no start"),
        (lambda known: known["settings"][0]["pipeline"]["query"].update(of=[1]), "unknown data set of the table"),
        (lambda known: known["figure"].update(kind="lines", x="x"), "figure.x"),
    ],
)
def test_an_edited_study_is_refused_in_one_line(change: Change, says: str, study: Path) -> None:
    known = json.loads((study / "study.json").read_text())
    change(known)
    (study / "study.json").write_text(json.dumps(known))
    result = ftso("sweep", "status", study)
    assert result.exit_code == 1 and says in " ".join(result.stderr.split()), result.stderr


def test_a_folder_that_is_no_study_is_told(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no study"):
        results.read_trials(tmp_path)
