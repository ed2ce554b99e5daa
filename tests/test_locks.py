"""Two processes at one file or folder: the second is told who is there, and a lock ends with its process."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ftso_cli.errors import BusyError
from ftso_cli.files import locked_folder, write_atomic
from ftso_cli.locks import lock_of, locked
from tests.processes import HANG, ROOT

HOLD = """
import sys
from pathlib import Path
from ftso_cli.locks import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def held_by_another(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Inside, another process is alone with `path`."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdin is not None
    try:
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def test_the_second_process_is_told_who_holds_a_file_since_when_and_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "cell.json"
    with held_by_another(path) as holder:
        told = (
            rf"cell\.json is in use by process {holder.pid} since \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d; "
            rf"wait until it ends, or end it with: kill {holder.pid}$"
        )
        with pytest.raises(BusyError, match=told), locked(path):
            pass
        # Neither the one that was refused nor a writer disturbs the first.
        write_atomic(path, b"content")
        with pytest.raises(BusyError), locked(path):
            pass


def test_a_lock_ends_with_its_process_whatever_ends_it(tmp_path: Path) -> None:
    path = tmp_path / "cell.json"
    with held_by_another(path) as holder:
        holder.send_signal(signal.SIGKILL)
        holder.wait(timeout=HANG)
        lock = lock_of(path)
        assert lock is not None and lock.exists()
        with locked(path):
            assert lock.read_text().startswith(f"{os.getpid()} ")
    assert list(tmp_path.iterdir()) == []


def test_a_lock_leaves_nothing_behind(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "cell.json"):
        with locked(path):
            assert len(list(tmp_path.iterdir())) == 1
        assert list(tmp_path.iterdir()) == []


def test_all_names_of_a_file_are_one_file_to_a_lock(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "folder" / "cell.json")
    with locked(tmp_path / "link"), pytest.raises(BusyError), locked(tmp_path / "folder" / "." / "cell.json"):
        pass


@pytest.mark.parametrize("name", ["two words.json", "zelle-ä-细胞.json", "n" * 255])
def test_any_name_can_be_locked(tmp_path: Path, name: str) -> None:
    with locked(tmp_path / name), pytest.raises(BusyError), locked(tmp_path / name):
        pass


def test_a_lock_file_with_anything_in_it_still_tells_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "cell.json"
    lock = lock_of(path)
    assert lock is not None
    with locked(path):
        for content in (b"", b"\xff" * 1000, b"12 and no more\n", b"1 2026-01-01T00:00:00 \x1b[2J\n"):
            lock.write_bytes(content)
            with pytest.raises(BusyError, match=r"is in use by another process; wait until it ends$"), locked(path):
                pass


@pytest.mark.parametrize("named", ["0", "1", "the parent of this process", "4000000000"])
def test_a_forged_lock_proposes_to_end_no_process_that_does_not_hold_it(named: str, tmp_path: Path) -> None:
    process = named if named.isdigit() else os.getppid()
    path = tmp_path / "cell.json"
    lock = lock_of(path)
    assert lock is not None
    with held_by_another(path):
        lock.write_text(f"{process} 2026-01-01T00:00:00 {socket.gethostname()}\n")
        with pytest.raises(BusyError, match=r"is in use by another process; wait until it ends$"), locked(path):
            pass
        lock.write_text(f"{process} 2026-01-01T00:00:00 another.machine\n")
        with pytest.raises(BusyError, match=r"on another\.machine since .*, or end it there$"), locked(path):
            pass


def test_many_may_write_to_a_device() -> None:
    with locked(Path("/dev/null")), locked(Path("/dev/null")):
        pass


def test_what_cannot_be_locked_is_left_to_the_writing(tmp_path: Path) -> None:
    with locked(tmp_path / "missing" / "cell.json"), locked(tmp_path / "missing" / "cell.json"):
        pass


def test_of_many_who_want_a_file_at_once_one_has_it_at_a_time(tmp_path: Path) -> None:
    """The lock file goes and comes; nobody holds one that is gone."""
    path, inside, most, turns = tmp_path / "cell.json", 0, 0, 0
    counting = threading.Lock()

    def take_turns() -> None:
        nonlocal inside, most, turns
        own = 0
        while own < 50:
            try:
                with locked(path):
                    with counting:
                        inside, turns = inside + 1, turns + 1
                        most = max(most, inside)
                    own += 1
                    with counting:
                        inside -= 1
            except BusyError:
                continue

    threads = [threading.Thread(target=take_turns) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, turns, list(tmp_path.iterdir())) == (1, 200, [])


NO_LOCKS = ["strace", "-f", "-qq", "-e", "trace=flock", "-e", "inject=flock:error=ENOLCK", "-o", "/dev/null"]


def test_where_the_system_has_no_locks_nobody_is_kept_out_and_no_file_of_another_is_taken_away(tmp_path: Path) -> None:
    """As on some network folders."""
    if shutil.which("strace") is None or subprocess.run([*NO_LOCKS, "true"], capture_output=True).returncode:
        pytest.skip("no strace here, or no right to use it")
    script = """
import sys
from pathlib import Path
from ftso_cli.files import locked_folder, write_atomic
with locked_folder(Path(sys.argv[1])), locked_folder(Path(sys.argv[1])):
    write_atomic(Path(sys.argv[1]) / "file", b"content")
"""
    leftover = tmp_path / ".ftso-0123456789abcdef.tmp"
    leftover.write_bytes(b"perhaps of a process on another machine")
    subprocess.run([*NO_LOCKS, sys.executable, "-c", script, str(tmp_path)], check=True, cwd=ROOT)
    assert {path.name for path in tmp_path.iterdir()} == {"file", leftover.name}


# Folders


def test_a_folder_is_made_and_goes_away_again_where_nothing_is_kept_in_it(tmp_path: Path) -> None:
    with (
        locked_folder(tmp_path / "runs" / "empty"),
        pytest.raises(BusyError),
        locked_folder(tmp_path / "runs" / "empty"),
    ):
        pass
    assert not (tmp_path / "runs" / "empty").exists()
    with locked_folder(tmp_path / "runs" / "full"):
        (tmp_path / "runs" / "full" / "file").touch()
    assert [path.name for path in (tmp_path / "runs" / "full").iterdir()] == ["file"]
    (tmp_path / "own").mkdir()
    with locked_folder(tmp_path / "own"):
        pass
    assert (tmp_path / "own").is_dir()
