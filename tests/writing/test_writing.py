"""Every command that writes: on a full disk, killed, interrupted, its folder gone, at odd places, and one of two."""

import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.disks import fill, small_disk
from tests.forks import Ended, forks
from tests.processes import HANG, environment
from tests.test_locks import held_by_another
from tests.writing.commands import COMMANDS, OUT, check_whole, files_in, leftovers
from tests.writing.kills import Place, check_result

QUICK = [name for name in COMMANDS if name not in ("race", "search-ops by capacity", "report", "sweep results")]
"""The others take seconds each; `python -m tests.writing.kills` has them too."""

HEAVY = ("evaluate", "nats-table2", "search", "search-ops", "search-topology", "search-topology from seeds", "train")
KILLED = [name for name in QUICK if name not in ("evaluate", "search")]
LIGHT = [name for name in QUICK if name not in HEAVY]

GENOTYPES = [name for name in QUICK if "cell.json" in COMMANDS[name].products]


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    """What the commands read."""
    with tempfile.TemporaryDirectory() as root:
        yield Place(Path(root))


def refused(ended: Ended) -> bool:
    """Whether a command has ended with one line that says what was wrong."""
    assert "Traceback" not in ended.err and not ended.orphans
    return ended.status == 1 and len(ended.errors) == 1 and "a fault in ftso" not in ended.err


# Killed


@pytest.mark.parametrize("name", KILLED)
def test_a_command_killed_while_it_writes_leaves_whole_files_and_the_next_run_ends_as_the_first_would(
    name: str, place: Place
) -> None:
    moments = place.undisturbed(name).ended.moments
    for part in (0.6,) if name in HEAVY else (0.4, 0.8):
        assert place.kill(name, moment=round(part * moments))


def test_leftovers_of_killed_writers_go_with_the_next_write_and_those_of_living_ones_stay(place: Place) -> None:
    folder = place.new(COMMANDS["draw png"])
    dead, living = folder / OUT / ".ftso-00.tmp", folder / OUT / ".ftso-11.tmp"
    dead.write_bytes(b"half")
    # The lock of a file that is being written is on the file itself.
    script = "import sys, fcntl; f = open(sys.argv[1], 'w'); fcntl.flock(f, 2); print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", script, living], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout is not None and writer.stdout.readline()
        assert forks().run(COMMANDS["draw png"].trial(folder)).status == 0
        assert leftovers(folder / OUT) == [living.name]
        writer.kill()


# Interrupted


@pytest.mark.parametrize("name", KILLED)
def test_ctrl_c_at_any_moment_is_status_130_with_one_line_and_the_next_run_ends_as_the_first_would(
    name: str, place: Place
) -> None:
    moments = place.undisturbed(name).ended.moments
    for part in (0.5,) if name in HEAVY else (0.3, 0.7):
        assert place.kill(name, signal.SIGINT, moment=round(part * moments))


@pytest.mark.parametrize("imported", ["ftso_cli.cli", "typer", "torch.nn", "ftso_cli.training.loop"])
def test_ctrl_c_while_a_fresh_process_starts_is_one_line_too(imported: str, tmp_path: Path) -> None:
    """From the first import that follows on ftso's first line; before that Python tells of it in its own way."""
    command = [sys.executable, "-X", "importtime", "-m", "ftso_cli", "train", "darts_v2", "--epochs", "600"]
    process = subprocess.Popen(command, cwd=tmp_path, env=environment(), stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    assert any(line.split()[-1:] == [imported] for line in process.stderr)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=HANG)[1].splitlines()
    assert process.returncode == 130
    assert "error: interrupted" in said and not any("Traceback" in line for line in said)


@pytest.mark.parametrize(("asked", "times"), [("--rank race --budget 1h", 2), ("--seeds 0-4095", 5)])
def test_ctrl_c_however_often_ends_searches_in_threads_with_one_line(asked: str, times: int, tmp_path: Path) -> None:
    small = "--channels 4 --cells 2 --batch-size 16 --workers 2 -o cell.json"
    command = [sys.executable, "-m", "ftso_cli", "search-topology", *asked.split(), *small.split()]
    process = subprocess.Popen(command, cwd=tmp_path, env=environment(), stderr=subprocess.PIPE)
    kept = tmp_path / ("cell.race.json" if "race" in asked else "cell.seeds")
    while not kept.exists():
        assert process.poll() is None
        time.sleep(0.01)
    for _ in range(times):
        # Told apart from one signal by some time; whatever it is, the process ends as well.
        process.send_signal(signal.SIGINT)
        time.sleep(0.02)
    said = process.communicate(timeout=HANG)[1].decode()
    assert process.returncode == 130, said
    assert "error: interrupted" in said.splitlines() and "Traceback" not in said and "terminate called" not in said


# No room, no right, no folder


@pytest.mark.parametrize("name", QUICK)
def test_a_full_disk_is_told_in_one_line_and_leaves_what_was_there(name: str, place: Place) -> None:
    command = COMMANDS[name]
    folder = place.new(command)
    out = folder / OUT
    with small_disk(out, 64):
        fill(out, 0)
        before = files_in(out)
        ended = forks().run(command.trial(folder))
        if command.cached and ended.status == 0:
            return  # A cache that can't be written is none, and where only that is written nothing is missing.
        assert refused(ended) and "No space left on device" in ended.err, ended.err
        assert files_in(out) == before
        assert not leftovers(out)


@pytest.mark.parametrize(("name", "run"), [("train", "run"), ("search-topology", "history")])
def test_curves_for_tensorboard_that_find_no_room_are_told_in_one_line(name: str, run: str, place: Place) -> None:
    command = COMMANDS[name]
    folder = place.new(command)
    curves = folder / OUT / run / "tensorboard"
    curves.mkdir(parents=True)
    trial = command.trial(folder)
    with small_disk(curves, 1):
        (curves / "filler").write_bytes(bytes(4096))
        ended = forks().run(replace(trial, args=[*trial.args, "--tensorboard"]))
    assert refused(ended) and "tensorboard: can't be written (No space left on device)" in ended.err, ended.err


@pytest.mark.parametrize("name", ["train", "search-ops"])
def test_a_disk_that_fills_up_on_the_way_leaves_a_run_that_goes_on(name: str, place: Place) -> None:
    command, expected = COMMANDS[name], place.undisturbed(name)
    folder = place.new(command)
    out = folder / OUT
    before = files_in(out)
    largest = max(map(len, expected.files.values()))
    ended = forks().run(command.trial(folder, largest=largest // 2))
    assert refused(ended) and "File too large" in ended.err, ended.err
    check_whole(out, before)
    assert not leftovers(out)
    place.finish(name, folder, expected)


@pytest.mark.parametrize("name", QUICK)
def test_a_read_only_folder_is_refused_in_one_line(name: str, place: Place) -> None:
    command = COMMANDS[name]
    folder = place.new(command)
    with small_disk(folder / OUT, 64, read_only=True):
        before = files_in(folder / OUT)
        ended = forks().run(command.trial(folder))
        assert (command.cached and ended.status == 0) or refused(ended), ended.err
        assert "read-only" in ended.err.lower() or command.cached
        assert files_in(folder / OUT) == before


@pytest.mark.parametrize("name", QUICK)
def test_a_folder_that_vanishes_on_the_way_is_told_in_one_line(name: str, place: Place) -> None:
    command, moments = COMMANDS[name], place.undisturbed(name).ended.moments
    folder = place.new(command)
    trial = command.trial(folder, vanish=str(folder / OUT), moment=round(0.5 * moments))
    ended = forks().run(trial)
    assert ended.status == 0 or refused(ended), ended.err


# Places with odd names, links


@pytest.mark.parametrize("name", [*LIGHT, "train"])
def test_any_name_of_a_folder_will_do(name: str, place: Place) -> None:
    command = COMMANDS[name]
    odd = "two  words 'ä' 细胞 [x] $HOME"
    folder = place.new(command, odd)
    ended = forks().run(command.trial(folder, odd))
    assert ended.status == 0, ended.err
    (folder / odd).rename(folder / OUT)
    check_result(folder, command, place.undisturbed(name))


@pytest.mark.parametrize("name", [*LIGHT, "search-ops", "train"])
def test_an_output_that_is_a_link_stays_one_and_what_it_leads_to_is_written(name: str, place: Place) -> None:
    command, expected = COMMANDS[name], place.undisturbed(name)
    folder = place.new(command)
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    # Links to files that are there or not, and to folders.
    files = {product for product in command.products if "/" not in product}
    folders = {product.split("/")[0] for product in command.products} - files
    for name in folders:
        (elsewhere / name).mkdir()
    for name in files & {path.name for path in (folder / OUT).iterdir()}:
        (folder / OUT / name).rename(elsewhere / name)
    links = [folder / OUT / name for name in files | folders]
    for link in links:
        link.symlink_to(elsewhere / link.name)
    ended = forks().run(command.trial(folder))
    assert ended.status == 0, ended.err
    assert all(link.is_symlink() for link in links)
    assert not any(path.is_symlink() for path in elsewhere.rglob("*"))
    check_result(folder, command, expected)
    assert not leftovers(elsewhere)


# Two at once


@pytest.mark.parametrize("name", GENOTYPES)
def test_a_command_that_would_write_a_genotype_that_another_process_writes_is_refused(name: str, place: Place) -> None:
    folder = place.new(COMMANDS[name])
    before = files_in(folder / OUT)
    with held_by_another(folder / OUT / "cell.json") as holder:
        ended = forks().run(COMMANDS[name].trial(folder))
        assert refused(ended)
        assert f"out/cell.json is in use by process {holder.pid} since" in ended.err
        assert files_in(folder / OUT) == before


@pytest.mark.parametrize("name, run", [("train", "run"), ("search", "cell.search"), ("search-topology", "history")])
def test_a_command_that_would_write_in_a_run_folder_that_another_process_writes_in_is_refused(
    name: str, run: str, place: Place
) -> None:
    folder = place.new(COMMANDS[name])
    (folder / OUT / run).mkdir()
    with held_by_another(folder / OUT / run) as holder:
        ended = forks().run(COMMANDS[name].trial(folder))
        assert refused(ended)
        assert f"out/{run} is in use by process {holder.pid} since" in ended.err
        assert list(files_in(folder / OUT / run)) == []
