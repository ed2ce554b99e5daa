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
    """Does the work and adds its records as they come; `line` says of each what to show on stderr.

    Where a piece fails, those that have begun are finished and recorded, no other is begun, and the failure is raised.
    """
    failure: BaseException | None = None
    with pool, path.open("a") as records:
        for number, done in enumerate(as_completed(begun := [pool.submit(each) for each in work]), 1):
            if done.cancelled():
                continue
            if failed := done.exception():
                failure = failure or failed
                for each in begun:
                    each.cancel()
                continue
            records.write(json.dumps(done.result()) + "\n")
            records.flush()
            print(f"{number}/{len(work)}  {line(done.result())}", file=sys.stderr, flush=True)
    if failure:
        raise failure


def by_study(record: Record) -> str:
    """The study of a record and the seconds it took."""
    return f"{record['study']}  {record['seconds']} s"
