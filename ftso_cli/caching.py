"""The mark of ftso's cache: in a folder without it nothing is written, and no file that is not an entry is touched.

The mark is a CACHEDIR.TAG, which backups know too. Entries lie in rooms, the folders `images` and `tables`, under names
of 32 hexadecimal digits, and begin as `_BEGINNINGS` says.
"""

import re
import stat
from contextlib import suppress
from pathlib import Path

from ftso_cli.errors import FileError
from ftso_cli.files import cache_folder, write_inside

TAG = "CACHEDIR.TAG"

ROOMS = ("images", "tables")

_CONTENT = b"Signature: 8a477f597d28d172789f06886806bc55\n# A cache of ftso, which may be deleted at any time.\n"

_BEGINNINGS = {".safetensors": rb'.{8}\{"__metadata__":\{"ftso":', ".nats": rb"[0-9a-f]{64}\n"}
"""Of the entries, by the suffix of their names."""

_HALF_WRITTEN = re.compile(r"\.ftso-.*\.tmp")


def room(name: str) -> Path | None:
    """The folder for the entries of one kind, one of `ROOMS`; None where the cache is turned off.

    Raises `FileError` where the cache is asked for in a folder that holds other things.
    """
    folder = cache_folder()
    if folder is None:
        return None
    if strangers := _strangers(folder):
        more = ", ..." if len(strangers) > 3 else ""
        raise FileError(
            f"{folder}: is no cache of ftso, it holds other things ({', '.join(strangers[:3])}{more}); "
            "set FTSO_CACHE to a new or empty folder, or to nothing for no cache"
        )
    return folder / name


def prepare(room: Path) -> None:
    """Make the folder of one kind of entries, and mark the cache around it; raises `OSError` or `FileError`."""
    room.mkdir(parents=True, exist_ok=True)
    if not _is_marked(room.parent):
        write_inside(room.parent / TAG, _CONTENT)


def own_files(room: Path) -> list[Path]:
    """The entries in a room of the cache, and what killed processes have left half written."""
    with suppress(OSError):
        if not _strangers(room.parent):
            return [path for path in room.iterdir() if _is_own(path)]
    return []


def holds_other_things(folder: Path) -> bool:
    """Whether a folder is no cache, for it holds other things."""
    return bool(_strangers(folder))


def _is_marked(folder: Path) -> bool:
    with suppress(OSError), (folder / TAG).open("rb") as file:
        return file.read(len(_CONTENT)) == _CONTENT
    return False


def _strangers(folder: Path) -> list[str]:
    """Names in a folder without the mark that no cache has; an earlier version of ftso made no mark."""
    found: list[str] = []
    with suppress(OSError):
        for path in [] if _is_marked(folder) else sorted(folder.iterdir()):
            inside = list(path.iterdir()) if path.name in ROOMS and path.is_dir() else [path]
            found += [str(one.relative_to(folder)) for one in inside if not _is_own(one)]
    return found


def _is_own(path: Path) -> bool:
    """Whether ftso has written a file: by its name, and by how it begins; what a link leads to is another's."""
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return False
        if path.name.startswith(".ftso-"):
            return _HALF_WRITTEN.fullmatch(path.name) is not None
        beginning = _BEGINNINGS.get(path.suffix)
        if beginning is None or re.fullmatch("[0-9a-f]{32}", path.stem) is None:
            return False
        with path.open("rb") as file:
            return re.match(beginning, file.read(100), re.DOTALL) is not None
    except OSError:
        return False
