"""Keeping two processes out of one file or folder, by locks that end with the process that holds them, killed or not.

The lock is on a small hidden file beside the file, or in the folder. It says who holds it, and is taken away with the
lock; what a kill leaves of it is not locked, and the next one takes it over. Where the system has no such locks, as
Windows or some network folders, nobody is kept out: files are still replaced in one piece.
"""

import os
import re
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from ftso_cli.errors import BusyError

if sys.platform != "win32":
    import fcntl

Held = int | None
"""An open file that is locked as long as it is open; None where the system has no locks."""


@contextmanager
def locked(path: Path | None) -> Iterator[None]:
    """Inside, nobody else is alone with the file or folder; raises `BusyError`, which says who is.

    Where no lock can be made, as in a read-only folder, it is left to the writing to say so. None is never held.
    """
    lock = None if path is None else lock_of(path)
    try:
        held = None if lock is None else acquire(lock)
    except OSError:
        held = None
    except BusyError as error:
        raise BusyError(f"{path} {error}") from None
    try:
        if held is not None:
            _sign(held)
        yield
    finally:
        if lock is not None and held is not None:
            with suppress(OSError):
                lock.unlink()
            release(held)


def lock_of(path: Path) -> Path | None:
    """The file whose lock stands for `path`; None for a device or a pipe, which many may write to."""
    target = Path(os.path.realpath(path))
    # Not by the methods of Path: some raise where a name is too long.
    if os.path.isdir(target):
        return target / ".ftso.lock"
    if os.path.exists(target) and not os.path.isfile(target):
        return None
    # By a digest, because a name may be as long as the system allows.
    return target.with_name(f".ftso-{sha256(os.fsencode(target.name)).hexdigest()[:16]}.lock")


def acquire(path: Path) -> Held:
    """Opens and locks the file `path`, which is made where it is missing.

    Raises `BusyError` where another holds it, and `OSError` where it can't be opened.
    """
    while True:
        file = _opened(path)
        if sys.platform == "win32":
            os.close(file)
            return None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _holder(file)
            os.close(file)
            raise BusyError(holder) from None
        except OSError:
            pass  # A file system without locks.
        if _is_at(file, path):
            return file
        # Who held it took the file away between the opening and the lock.
        os.close(file)


def release(held: Held) -> None:
    """Ends the lock."""
    if held is not None:
        os.close(held)


def remove_stale(path: Path) -> None:
    """Removes `path` where the process that has taken it is gone; does nothing where that can't be told."""
    if sys.platform == "win32":
        return
    with suppress(OSError):
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
        finally:
            os.close(file)


def _opened(path: Path) -> int:
    """Opens it, or only to be read where another user has left it."""
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        return os.open(path, flags, 0o666)
    except PermissionError:
        if not path.exists():
            raise
        return os.open(path, flags & ~os.O_CREAT & ~os.O_RDWR)


def _is_at(file: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False


def _sign(file: int) -> None:
    """Writes who holds the lock, for whoever finds it held."""
    text = f"{os.getpid()} {datetime.now():%Y-%m-%dT%H:%M:%S} {socket.gethostname()}\n"
    with suppress(OSError):
        os.ftruncate(file, 0)
        os.write(file, text.encode())


def _holder(file: int) -> str:
    """The holder of the lock and what to do, as far as that can be confirmed: the file may say anything."""
    said = re.match(rb"(\d{1,10}) (\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d) ([\w.-]{1,60})\n", os.pread(file, 200, 0))
    if said is not None:
        process, day, time, host = (part.decode() for part in said.groups())
        since = f"since {day} {time}; wait until it ends"
        if host != socket.gethostname():
            return f"is in use by process {process} on {host} {since}, or end it there"
        if _holds(int(process), file):
            return f"is in use by process {process} {since}, or end it with: kill {process}"
    return "is in use by another process; wait until it ends"


def _holds(process: int, file: int) -> bool:
    """Tell whether a process holds the lock on an open file, by /proc; False on systems without it."""
    if process <= 1:
        return False
    with suppress(OSError):
        for opened in Path(f"/proc/{process}/fd").iterdir():
            with suppress(OSError):
                locks = Path(f"/proc/{process}/fdinfo/{opened.name}")
                if os.path.samestat(opened.stat(), os.fstat(file)) and "FLOCK" in locks.read_text():
                    return True
    return False
