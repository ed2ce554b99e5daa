"""Records of long studies: one JSON line a finished piece of work, so that a run that was cut off goes on."""

import json
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, as_completed
from functools import partial
from pathlib import Path
from typing import Any

Record = dict[str, Any]


def read(path: Path) -> list[Record]:
    """The records that are whole; a kill may have cut the last one."""
    records = []
    for line in path.read_text().splitlines() if path.exists() else ():
        try:
            records.append(json.loads(line))
        except ValueError:
            continue
    return records


def add(path: Path, work: Sequence["partial[Record]"], pool: Executor, line: Callable[[Record], str]) -> None:
    """Does the work and adds its records as they come; `line` says of each what to show on stderr."""
    with pool, path.open("a") as records:
        for number, done in enumerate(as_completed([pool.submit(each) for each in work]), 1):
            record = done.result()
            records.write(json.dumps(record) + "\n")
            records.flush()
            print(f"{number}/{len(work)}  {line(record)}", file=sys.stderr, flush=True)


def by_study(record: Record) -> str:
    """The study of a record and the seconds it took."""
    return f"{record['study']}  {record['seconds']} s"
