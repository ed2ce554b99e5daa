"""Studies that run, stop, fail and are killed, in real processes."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ftso_cli.studies import results, trials
from tests.forks import run_ftso
from tests.processes import HANG, ROOT, environment
from tests.studies.studies import looked_up, written

LONG = """
data = "digits"
cell = "random"
assign-ops.op = "skip_connect"
train = { channels = 4, cells = 2, epochs = 12, batch-size = 256, auxiliary = 0.0 }
"""
ENDLESS = LONG.replace("epochs = 12", "epochs = 1000000")


def started(study: Path, folder: Path, *options: str) -> subprocess.Popen[bytes]:
    """`ftso sweep` in a process group of its own, which heeds SIGHUP even where the tests run under nohup."""
    command = [sys.executable, "-m", "ftso_cli", "sweep", str(study), "-o", str(folder), *options]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment(),
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
    )


def wait_for(found: Callable[[], object]) -> None:
    end = time.monotonic() + HANG
    while not found():
        assert time.monotonic() < end
        time.sleep(0.05)


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
    both = [started(study, folder, "--workers", "2") for _ in range(2)]
    told = [process.communicate(timeout=HANG)[1].decode() for process in both]
    assert [process.returncode for process in both] == [0, 0], told
    lines = [line for text in told for line in text.splitlines() if "accuracy" in line]
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


def begun(folder: Path) -> list[Path]:
    """The tables of trainings that have done an epoch."""
    return [file for file in folder.glob("stages/train-*/run/metrics.csv") if file.stat().st_size]


def shorten(run: Path) -> int:
    """Lets an endless training end one epoch from where it is; gives the epochs that it will have had."""
    epochs = (run / "metrics.csv").read_text().count("\n")
    config = (run / "config.json").read_text()
    (run / "config.json").write_text(config.replace('"epochs": 1000000', f'"epochs": {epochs + 1}'))
    return epochs + 1


@pytest.mark.parametrize("with_its_commands", [True, False], ids=["with its commands", "alone"])
def test_a_killed_study_goes_on_where_it_was(tmp_path: Path, with_its_commands: bool) -> None:
    study, folder = written(tmp_path, ENDLESS if with_its_commands else LONG), tmp_path / "run"
    process = started(study, folder)
    wait_for(lambda: begun(folder))
    if with_its_commands:
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.communicate()
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
    process = started(study, folder)
    wait_for(lambda: begun(folder))
    for _ in range(times):
        process.send_signal(number)
    said = process.communicate(timeout=HANG)[1].decode()
    assert process.returncode == 130 and "error: interrupted" in said and "Traceback" not in said
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    assert [one.state for one in results.read_trials(folder)] == ["waiting"]
    if number == signal.SIGINT:
        shorten(begun(folder)[0].parent)
        assert run_ftso("sweep", study, "-o", folder).returncode == 0
        assert [one.state for one in results.read_trials(folder)] == ["done"]


@pytest.mark.skipif("FTSO_TEST_DATABASE" not in os.environ, reason="needs the URL of an empty database")
def test_two_processes_share_a_study_in_a_database(tmp_path: Path) -> None:
    study, folder = looked_up(tmp_path, "0-1"), tmp_path / "run"
    url = os.environ["FTSO_TEST_DATABASE"]
    both = [started(study, folder, "--storage", url) for _ in range(2)]
    told = [process.communicate(timeout=HANG)[1].decode() for process in both]
    assert [process.returncode for process in both] == [0, 0], told
    assert sum(text.count("accuracy") for text in told) == 4
    assert not (folder / trials.DATABASE).exists()
    assert {one.state for one in results.read_trials(folder, url)} == {"done"}
