"""Reading with a size limit, and writing so that a reader finds the old file or the new one, never half."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from ftso_cli import locks
from ftso_cli.errors import BusyError, FileError

RUN_CONFIG, RUN_GENOTYPE = "config.json", "genotype.json"
"""The files that tell the folder of a training: its settings and its cell."""


def cache_folder() -> Path | None:
    """The folder of the cache: $FTSO_CACHE or the user's cache folder of this system; None where it is set empty."""
    chosen = os.environ.get("FTSO_CACHE")
    if chosen is None:
        # Imported here because few commands have use for a cache.
        import platformdirs

        return platformdirs.user_cache_path("ftso", appauthor=False)
    return Path(os.path.expanduser(chosen)) if chosen else None


def read_bytes(path: Path, *, limit: int) -> bytes:
    """The content of `path`; raises `FileError` where it can't be read or holds more than `limit` bytes."""
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except FileNotFoundError:
        raise FileError(f"{path}: no such file") from None
    except OSError as error:
        raise FileError(f"{path}: can't be read ({error.strerror or error})") from None
    if len(content) > limit:
        raise FileError(f"{path}: larger than {limit // 1_000_000} MB, which no file of this kind is")
    return content


def write_atomic(path: Path, content: bytes) -> None:
    """Replaces `path`, which the user has named, by a file holding `content`, whole at any moment, killed or not.

    A link is followed, so the file it points to is replaced. A device or a pipe is written to, never replaced.
    Raises `FileError` where the place can't be written, and for a read-only file, which a rename would override.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        try:
            path.write_bytes(content)
        except OSError as error:
            raise FileError(f"{path}: can't be written ({error.strerror or error})") from None
    else:
        _replace(path, Path(os.path.realpath(path)), content)


def write_inside(path: Path, content: bytes) -> None:
    """Replaces the file `path` of a folder that ftso fills, as `write_atomic` does, but never follows it anywhere.

    The folder may have come from somebody else: a link, a device or a pipe there becomes a file.
    """
    _replace(path, path, content)


def _replace(path: Path, target: Path, content: bytes) -> None:
    """Replaces `target`, which is `path` to the user; raises `FileError` where that can't be."""
    try:
        if target.is_file() and not target.is_symlink() and not os.access(target, os.W_OK):
            raise FileError(f"{path}: can't be written (the file is read-only)")
        _put(target, content)
    except OSError as error:
        if not target.parent.exists():
            raise FileError(f"{path}: there is no folder {target.parent.name}; make it first") from None
        raise FileError(f"{path}: can't be written ({error.strerror or error})") from None


def _put(target: Path, content: bytes) -> None:
    """Replaces `target` by a file with its permissions that is on the disk before it gets the name."""
    with replacing(target) as temporary, temporary.open("r+b") as file:
        if target.is_file() and not target.is_symlink():
            os.chmod(temporary, target.stat().st_mode & 0o777)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """An empty file beside `target` to write to; it becomes `target` in one step at the end, or goes on an error.

    It is locked meanwhile, which tells it from what a kill has left.
    """
    _drop_leftovers(target.parent)
    temporary = target.parent / f".ftso-{os.urandom(8).hex()}.tmp"
    held = None
    try:
        held = _taken(temporary)
        yield temporary
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
        locks.release(held)


def _taken(temporary: Path) -> locks.Held:
    while True:
        # Who looks for leftovers may have it for a moment.
        with suppress(BusyError):
            return locks.acquire(temporary)


@cache
def _drop_leftovers(folder: Path) -> None:
    """Takes away what processes that were killed have left half written; each process looks once into a folder."""
    for path in folder.glob(".ftso-*.tmp"):
        locks.remove_stale(path)


def make_folder(folder: Path) -> None:
    """Makes the folder where it is missing; raises `FileError` where it can't be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"{folder}: can't be made ({error.strerror or error})") from None


def make_inside(folder: Path) -> None:
    """Makes a folder in one that ftso fills; raises `FileError` where a link lies there."""
    check_inside(folder)
    make_folder(folder)


def check_inside(path: Path) -> None:
    """Raises `FileError` where `path`, in a folder that ftso fills, is a link, which might lead anywhere."""
    if path.is_symlink():
        raise FileError(
            f"{path}: is a link, which may lead out of its folder; remove it, or put what it leads to there"
        )


@contextmanager
def locked_folder(folder: Path | None) -> Iterator[None]:
    """Inside, nobody else writes in the folder, which is made where it is missing, and goes where it stays empty.

    Raises `FileError` where it can't be made, and `BusyError` where another process writes there. None is no folder.
    """
    if folder is None:
        yield
        return
    made = not os.path.isdir(folder)
    make_folder(folder)
    try:
        with locks.locked(folder):
            yield
    finally:
        if made:
            with suppress(OSError):
                folder.rmdir()
