"""A table by the path that the user gives: CSV, plain or gzipped, or a folder of the benchmark's records."""

import os
from collections.abc import Callable
from pathlib import Path

from ftso_cli.benchmarks import cache
from ftso_cli.benchmarks.nats import LIMIT, Table
from ftso_cli.errors import FileError, SettingsError
from ftso_cli.files import read_bytes


def read_table(
    path: Path, *, trust_pickle: bool = False, on_record: Callable[[int, int], None] = lambda done, total: None
) -> Table:
    """The table at `path`, from the cache where it has been read before; `on_record` hears done and total.

    A folder's records are pickles, and are read only with `trust_pickle`. Raises `TableError` where the table is
    damaged, short or doubtful, `FileError` where it can't be read, `SettingsError` for pickles without trust.
    """
    if path.is_dir():
        kept = cache.cached_table_path(_listing(path))
        if (table := cache.load_table(kept)) is None:
            if not trust_pickle:
                raise SettingsError(
                    f"{path}: the benchmark's records are pickles, which can run any code when they are read; "
                    "give --trust-pickle if you trust where they are from"
                )
            # Imported here, as numpy takes longer to import than a query from the cache does.
            from ftso_cli.benchmarks import records

            table = records.read_records(path, on_record)
            cache.save_table(table, kept)
        return table
    content = read_bytes(path, limit=LIMIT)
    kept = cache.cached_table_path(content)
    if (table := cache.load_table(kept)) is None:
        from ftso_cli.benchmarks import text

        table = text.read_text_table(path, content)
        cache.save_table(table, kept)
    return table


def _listing(folder: Path) -> bytes:
    """Return the listing that identifies a folder of records: its place, and name, size and time of all its files."""
    try:
        with os.scandir(folder) as entries:
            found = sorted((entry.name, entry.stat().st_size, entry.stat().st_mtime_ns) for entry in entries)
    except OSError as error:
        raise FileError(f"{folder}: can't be read ({error.strerror or error})") from None
    return os.fsencode(f"{folder.resolve()} {found}")
