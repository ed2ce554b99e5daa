"""Tables that were read before, by what they were read from: a query then reads one small file of packed records.

A file is a line with the SHA-256 of all that follows it, a line of JSON with the summary, and the records. What is
missing or damaged is made again from the table; where nothing can be written, nothing is lost but time.
"""

import hashlib
import json
from contextlib import suppress
from pathlib import Path

from ftso_cli import caching
from ftso_cli.benchmarks.nats import CELLS, RECORD, Table
from ftso_cli.errors import FileError
from ftso_cli.files import write_inside

FORMAT = "ftso-nats-table/1"


def cached_table_path(*source: bytes) -> Path | None:
    """Return the place of the table from this source: a file's content, or a folder's listing; None if nowhere.

    Raises `FileError` where the folder of the cache holds other things.
    """
    folder = caching.cache_subfolder("tables")
    digest = hashlib.sha256(b"\0".join([FORMAT.encode(), *source])).hexdigest()
    return None if folder is None else folder / f"{digest[:32]}.nats"


def load_table(path: Path | None) -> Table | None:
    """The table kept at `path`; None where there is none, or it is damaged."""
    with suppress(OSError, ValueError):
        if path is not None:
            digest, _, content = path.read_bytes().partition(b"\n")
            summary, _, records = content.partition(b"\n")
            if digest == _digest(content) and len(records) == CELLS * RECORD.size:
                return Table(summary=json.loads(summary), records=records)
    return None


def save_table(table: Table, path: Path | None) -> None:
    """Keeps the table at `path`, if that can be written."""
    content = json.dumps(table.summary).encode() + b"\n" + table.records
    with suppress(OSError, FileError):
        if path is not None:
            caching.prepare(path.parent)
            write_inside(path, _digest(content) + b"\n" + content)


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()
