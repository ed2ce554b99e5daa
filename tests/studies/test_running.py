"""Studies that run, stop, fail and are killed."""

import os
import signal
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from ftso_cli.studies.analysis import results
from ftso_cli.studies.running import trials
from tests.forks import Ended, Trial, forks, run_ftso
from tests.processes import ROOT
from tests.studies.studies import looked_up, written

LONG = """
data = "digits"
cell = "random"
assign-ops.op = "skip_connect"
train = { channels = 4, cells = 2, epochs = 12, batch-size = 256, auxiliary = 0.0 }
"""
ENDLESS = LONG.replace("epochs = 12", "epochs = 1000000")


def sweeping(study: Path, folder: Path, *options: str) -> Trial:
    """`ftso sweep`."""
    return Trial(args=["sweep", str(study), "-o", str(folder), *options], folder=str(ROOT))


def signalled_while_it_trains(study: Path, folder: Path, number: signal.Signals, whom: str, times: int = 1) -> Ended:
    """`ftso sweep`, which gets a signal when its training has done two epochs and is to save another."""
    table = f"{os.path.realpath(folder)}/stages/train-*/run/metrics.csv"
    asked = replace(sweeping(study, folder), signal=int(number), whom=whom, times=times, target=table, moment=3)
    return forks().run(asked)


def age(folder: Path) -> None:
    """Makes the last sign of life of a trial so old that it is taken for killed."""
    with sqlite3.connect(folder / trials.DATABASE) as rows:
        rows.execute("UPDATE trial_heartbeats SET heartbeat = '2000-01-01 00:00:00.000000'")
    rows.close()


def attempts(folder: Path) -> list[tuple[int, str]]:
    """Number and state of each row in the storage that has a trial's key."""
    study = trials.open_study(results.read_settings(folder).name, folder, None)
    return [(one.number, one.state.name) for one in study.get_trials() if "key" in one.user_attrs]


def test_two_processes_on_one_file_share_the_work_and_run_no_trial_twice(tmp_path: Path) -> None:
    study, folder = looked_up(tmp_path, "0-1"), tmp_path / "run"
    both = forks().run_together(*[sweeping(study, folder, "--workers", "2")] * 2)
    assert [ended.status for ended in both] == [0, 0], both
    lines = [line for ended in both for line in ended.err.splitlines() if "accuracy" in line]
    assert len(lines) == len(set(lines)) == 4
    assert [state for _, state in attempts(folder)] == ["COMPLETE"] * 4


def test_a_finished_study_is_not_run_again(tmp_path: Path) -> None:
    study, folder = looked_up(tmp_path, "0"), tmp_path / "run"
    assert run_ftso("sweep", study, "-o", folder).returncode == 0
    before = attempts(folder), sorted((folder / "stages").rglob("*"))
    again = run_ftso("sweep", study, "-o", folder)
    assert again.returncode == 0
    assert b"accuracy" not in again.stderr
    assert (attempts(folder), sorted((folder / "stages").rglob("*"))) == before


def test_a_failed_trial_keeps_its_error_until_it_is_asked_for_again(tmp_path: Path) -> None:
    study, folder = looked_up(tmp_path, "0", with_table=False), tmp_path / "run"
    assert run_ftso("sweep", study, "-o", folder).returncode == 1
    assert {one.state for one in results.read_trials(folder)} == {"failed"}
    assert all("table.csv: no such file" in (one.error or "") for one in results.read_trials(folder))
    looked_up(tmp_path, "0")
    assert run_ftso("sweep", study, "-o", folder).returncode == 1, "failed trials stay failed"
    assert run_ftso("sweep", study, "-o", folder, "--retry-failed").returncode == 0
    assert {(one.state, one.error) for one in results.read_trials(folder)} == {("done", None)}


def shorten(run: Path) -> int:
    """Lets an endless training end one epoch from where it is; gives the epochs that it will have had."""
    epochs = (run / "metrics.csv").read_text().count("\n")
    config = (run / "config.json").read_text()
    (run / "config.json").write_text(config.replace('"epochs": 1000000', f'"epochs": {epochs + 1}'))
    return epochs + 1


@pytest.mark.parametrize("with_its_commands", [True, False], ids=["with its commands", "alone"])
def test_a_killed_study_goes_on_where_it_was(tmp_path: Path, with_its_commands: bool) -> None:
    study, folder = written(tmp_path, ENDLESS if with_its_commands else LONG), tmp_path / "run"
    ended = signalled_while_it_trains(study, folder, signal.SIGKILL, "group" if with_its_commands else "parent")
    assert ended.status == -signal.SIGKILL
    (train,) = folder.glob("stages/train-*")
    epochs = shorten(train / "run") if with_its_commands else 12
    before = next(folder.glob("stages/assign-ops-*")) / "cell.json"
    file = before.stat().st_ino
    age(folder)
    done = run_ftso("sweep", study, "-o", folder)
    assert done.returncode == 0, done.stderr.decode()
    assert [one.state for one in results.read_trials(folder)] == ["done"]
    assert before.stat().st_ino == file
    # Without its study the training ends all the same, and is not begun again.
    assert ("going on after epoch" in (train / "log.txt").read_text()) is with_its_commands
    assert (train / "run" / "metrics.csv").read_text().count("\n") == epochs + 1


@pytest.mark.parametrize(("number", "times"), [(signal.SIGINT, 2), (signal.SIGTERM, 1), (signal.SIGHUP, 1)])
def test_a_stopped_study_takes_its_commands_along_and_can_be_taken_up_at_once(
    tmp_path: Path, number: signal.Signals, times: int
) -> None:
    study, folder = written(tmp_path, ENDLESS), tmp_path / "run"
    ended = signalled_while_it_trains(study, folder, number, "parent", times)
    assert ended.status == 130 and "error: interrupted" in ended.err and "Traceback" not in ended.err
    assert not ended.orphans
    assert [one.state for one in results.read_trials(folder)] == ["waiting"]
    if number == signal.SIGINT:
        shorten(next(folder.glob("stages/train-*/run")))
        assert run_ftso("sweep", study, "-o", folder).returncode == 0
        assert [one.state for one in results.read_trials(folder)] == ["done"]


@pytest.mark.skipif("FTSO_TEST_DATABASE" not in os.environ, reason="needs the URL of an empty database")
def test_two_processes_share_a_study_in_a_database(tmp_path: Path) -> None:
    study, folder = looked_up(tmp_path, "0-1"), tmp_path / "run"
    url = os.environ["FTSO_TEST_DATABASE"]
    both = forks().run_together(*[sweeping(study, folder, "--storage", url)] * 2)
    assert [ended.status for ended in both] == [0, 0], both
    assert sum(ended.err.count("accuracy") for ended in both) == 4
    assert not (folder / trials.DATABASE).exists()
    assert {one.state for one in results.read_trials(folder, url)} == {"done"}
