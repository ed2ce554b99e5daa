"""Reading and writing files: never half a file, never a lost permission, never a broken device."""

import os
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ftso_cli.errors import FileError
from ftso_cli.files import read_bytes, write_atomic
from tests.processes import HANG, ROOT

NOBODY = 65534


def folder_with_read_only_file(mode: int) -> Iterator[Path]:
    """A folder of permissions `mode`, outside of pytest's own, which only its user can enter."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "file").write_bytes(b"old")
        (folder / "file").chmod(0o444)
        folder.chmod(mode)
        yield folder
        folder.chmod(0o700)


@pytest.fixture
def locked() -> Iterator[Path]:
    """A folder that nobody may write in."""
    yield from folder_with_read_only_file(0o555)


@pytest.fixture
def open_to_all() -> Iterator[Path]:
    """A folder that anybody may write in, with a file that nobody may."""
    yield from folder_with_read_only_file(0o777)


@pytest.fixture
def ordinary_user() -> Iterator[None]:
    """Takes the powers of root away for a test, where the tests have them."""
    if os.geteuid() != 0:
        yield
        return
    if not hasattr(os, "setresuid"):
        pytest.skip("root, and no way to be another user for a while")
    os.setresuid(NOBODY, NOBODY, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


# Reading


def test_a_file_up_to_the_limit_is_read_and_not_a_byte_more(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 1000)
    assert read_bytes(path, limit=1000) == b"x" * 1000
    with pytest.raises(FileError, match=r"file: larger than 0 MB, which no file of this kind is$"):
        read_bytes(path, limit=999)


def test_a_missing_file_a_folder_and_a_path_through_a_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(FileError, match=r"nothing: no such file$"):
        read_bytes(tmp_path / "nothing", limit=10)
    with pytest.raises(FileError, match=r"can't be read \(Is a directory\)$"):
        read_bytes(tmp_path, limit=10)
    with pytest.raises(FileError, match=r"can't be read \(Not a directory\)$"):
        read_bytes(tmp_path / "file" / "inside", limit=10)


# Writing


def test_a_new_file_has_the_permissions_that_the_umask_gives(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_atomic(tmp_path / "new", b"content")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640
    assert (tmp_path / "new").read_bytes() == b"content"


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666, 0o755])
def test_a_file_that_is_replaced_keeps_its_permissions(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(mode)
    write_atomic(path, b"new")
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert path.read_bytes() == b"new"


def test_nothing_but_the_file_is_left(tmp_path: Path) -> None:
    for content in (b"one", b"two"):
        write_atomic(tmp_path / "file", content)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_name_as_long_as_the_system_allows_is_written(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 255)
    write_atomic(path, b"content")
    assert path.read_bytes() == b"content"


def test_a_link_stays_and_the_file_behind_it_changes(tmp_path: Path) -> None:
    target = tmp_path / "folder" / "target"
    target.parent.mkdir()
    target.write_bytes(b"old")
    (tmp_path / "one").symlink_to(target)
    (tmp_path / "two").symlink_to(tmp_path / "one")
    write_atomic(tmp_path / "two", b"new")
    assert (tmp_path / "two").is_symlink()
    assert (tmp_path / "one").is_symlink()
    assert not target.is_symlink()
    assert target.read_bytes() == b"new"
    assert [path.name for path in target.parent.iterdir()] == ["target"]


def test_a_link_to_nothing_gets_its_file(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "target")
    write_atomic(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_bytes() == b"new"


def test_other_names_of_the_old_file_keep_the_old_content(tmp_path: Path) -> None:
    """A hard link is another name of the old file, which replacing doesn't touch."""
    (tmp_path / "file").write_bytes(b"old")
    os.link(tmp_path / "file", tmp_path / "backup")
    write_atomic(tmp_path / "file", b"new")
    assert (tmp_path / "backup").read_bytes() == b"old"


def test_a_device_is_written_to_and_stays_a_device() -> None:
    if not Path("/dev/null").exists():
        pytest.skip("no /dev/null on this system")
    write_atomic(Path("/dev/null"), b"content")
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


def test_a_pipe_is_written_to_and_stays_a_pipe(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    found: list[bytes] = []
    reader = threading.Thread(target=lambda: found.append(path.read_bytes()))
    reader.start()
    write_atomic(path, b"content")
    reader.join(timeout=HANG)
    assert found == [b"content"]
    assert path.is_fifo()


@pytest.mark.parametrize("place", ["missing/file", "file/inside", ".", "folder"])
def test_a_place_where_no_file_can_be_is_refused_and_left_alone(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_bytes(b"old")
    (tmp_path / "folder").mkdir()
    says = "there is no folder missing; make it first" if place == "missing/file" else r"can't be written \(.+\)"
    with pytest.raises(FileError, match=rf": {says}$"):
        write_atomic(tmp_path / place, b"new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]
    assert (tmp_path / "file").read_bytes() == b"old"


def test_a_full_disk_is_refused() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full on this system")
    with pytest.raises(FileError, match=r"^/dev/full: can't be written \(No space left on device\)$"):
        write_atomic(Path("/dev/full"), b"new")


def test_a_folder_without_write_permission_is_refused(locked: Path, ordinary_user: None) -> None:
    with pytest.raises(FileError, match=r"new: can't be written \(Permission denied\)$"):
        write_atomic(locked / "new", b"new")
    assert [entry.name for entry in locked.iterdir()] == ["file"]


def test_a_file_in_a_folder_without_write_permission_is_not_replaced(locked: Path, ordinary_user: None) -> None:
    with pytest.raises(FileError, match=r"file: can't be written \("):
        write_atomic(locked / "file", b"new")
    assert (locked / "file").read_bytes() == b"old"


def test_a_read_only_file_is_refused_although_its_folder_would_allow_replacing_it(
    open_to_all: Path, ordinary_user: None
) -> None:
    with pytest.raises(FileError, match=r"file: can't be written \(the file is read-only\)$"):
        write_atomic(open_to_all / "file", b"new")
    assert (open_to_all / "file").read_bytes() == b"old"
    assert [entry.name for entry in open_to_all.iterdir()] == ["file"]


def test_a_file_without_read_permission_is_refused(open_to_all: Path, ordinary_user: None) -> None:
    write_atomic(open_to_all / "own", b"own")
    (open_to_all / "own").chmod(0o200)
    with pytest.raises(FileError, match=r"own: can't be read \(Permission denied\)$"):
        read_bytes(open_to_all / "own", limit=10)


# Killed while writing

CONTENT = {letter: letter * 300_000 for letter in (b"a", b"b")}

LOOP = """
import sys
from pathlib import Path
from ftso_cli.files import write_atomic
while True:
    for letter in (b"a", b"b"):
        write_atomic(Path(sys.argv[1]), letter * 300_000)
"""


def test_a_process_killed_while_it_writes_leaves_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for delay in (0.0, 0.01, 0.023, 0.037, 0.05):
        path.unlink(missing_ok=True)
        process = subprocess.Popen([sys.executable, "-c", LOOP, str(path)], cwd=ROOT)
        try:
            deadline = time.monotonic() + HANG
            while not path.exists() and time.monotonic() < deadline:
                time.sleep(0.001)
            until = time.monotonic() + delay
            reads = 0
            while reads == 0 or time.monotonic() < until:
                # A reader at any moment finds one of the two, whole.
                assert path.read_bytes() in CONTENT.values()
                reads += 1
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait(timeout=HANG)
        assert path.read_bytes() in CONTENT.values()
    # A killed process can't take its temporary file along; it is hidden, and no later write minds it.
    others = [entry.name for entry in tmp_path.iterdir() if entry != path]
    assert all(name.startswith(".ftso-") and name.endswith(".tmp") for name in others)
    assert len(others) <= 5
    write_atomic(path, b"after")
    assert path.read_bytes() == b"after"


def test_two_writers_at_once_leave_one_of_two_whole_files(tmp_path: Path) -> None:
    path = tmp_path / "file"

    def write(letter: bytes) -> None:
        for _ in range(20):
            write_atomic(path, CONTENT[letter])

    writers = [threading.Thread(target=write, args=(letter,)) for letter in CONTENT]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        if path.exists():
            assert path.read_bytes() in CONTENT.values()
    for writer in writers:
        writer.join()
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
