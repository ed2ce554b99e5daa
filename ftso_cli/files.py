"""Reading with a size limit, and writing so that a reader finds the old file or the new one, never half."""

import os
import tempfile
from pathlib import Path

from ftso_cli.errors import FileError


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
    """Replaces `path` by a file holding `content`; a kill at any moment leaves the old file or the new one.

    A link is followed, so the file it points to is replaced. Raises `FileError` where the place can't be written.
    """
    target = Path(os.path.realpath(path))
    try:
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".tmp")
    except OSError as error:
        raise FileError(f"{path}: can't be written ({error.strerror or error})") from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, _mode(target))
        os.replace(name, target)
    except OSError as error:
        raise FileError(f"{path}: can't be written ({error.strerror or error})") from None
    finally:
        Path(name).unlink(missing_ok=True)


def _mode(target: Path) -> int:
    """The permissions of the file that is replaced, or those of any new file."""
    if target.exists():
        return target.stat().st_mode & 0o777
    umask = os.umask(0)
    os.umask(umask)
    return 0o666 & ~umask
