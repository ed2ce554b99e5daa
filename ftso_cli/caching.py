"""The mark of ftso's cache: only a marked folder is used, and only the files that ftso has written are ever removed.

The mark is a CACHEDIR.TAG, which backups know too. Entries lie in rooms, the folders of `ROOMS`, under names
of 32 hexadecimal digits, and begin as `_BEGINNINGS` says.
"""

import re
import stat
from contextlib import suppress
from pathlib import Path

from ftso_cli.errors import FileError
from ftso_cli.files import cache_folder, write_inside

TAG = "CACHEDIR.TAG"

ROOMS = ("images", "tables", "latency")

_CONTENT = b"Signature: 8a477f597d28d172789f06886806bc55\n# A cache of ftso, which may be deleted at any time.\n"

_BEGINNINGS = {
    ".safetensors": rb'.{8}\{"__metadata__":\{"ftso":',
    ".nats": rb"[0-9a-f]{64}\n",
    ".json": rb'\{"format":"ftso-latency/',
}
"""The first bytes of entries, by the suffix of their names."""

_HALF_WRITTEN = re.compile(r"\.ftso-.*\.tmp")


def cache_subfolder(name: str) -> Path | None:
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
    """Tell whether a folder is not a cache because it holds other things."""
    return bool(_strangers(folder))


def _is_marked(folder: Path) -> bool:
    with suppress(OSError), (folder / TAG).open("rb") as file:
        return file.read(len(_CONTENT)) == _CONTENT
    return False


def _strangers(folder: Path) -> list[str]:
    """Names of foreign files in a folder without the mark; a cache of an earlier version has neither."""
    found: list[str] = []
    with suppress(OSError):
        for path in [] if _is_marked(folder) else sorted(folder.iterdir()):
            inside = list(path.iterdir()) if path.name in ROOMS and path.is_dir() else [path]
            found += [str(one.relative_to(folder)) for one in inside if not _has_own_name(one)]
    return found


def _has_own_name(path: Path) -> bool:
    """Tell whether a file is named as those of the cache; a link is never one of ours."""
    entry = path.suffix in _BEGINNINGS and re.fullmatch("[0-9a-f]{32}", path.stem) is not None
    return (entry or _HALF_WRITTEN.fullmatch(path.name) is not None) and stat.S_ISREG(path.lstat().st_mode)


def _is_own(path: Path) -> bool:
    """Tell whether ftso has written a file, by its name and its first bytes."""
    try:
        if not _has_own_name(path) or path.suffix not in _BEGINNINGS:
            return _has_own_name(path)
        with path.open("rb") as file:
            return re.match(_BEGINNINGS[path.suffix], file.read(100), re.DOTALL) is not None
    except OSError:
        return False
