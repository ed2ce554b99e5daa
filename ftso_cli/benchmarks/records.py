"""A table from the benchmark's own `simple` records: a folder with a file a cell, NATS-tss-v1_0-3ffb9-simple.

The records are pickles, and a pickle can run any code when it is read. The `nats_bench` package reads them, an
optional extra, and only where the user trusts them; ftso itself unpickles nothing.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ftso_cli.benchmarks.nats import CELLS, Table, architectures
from ftso_cli.benchmarks.ranking import ranked
from ftso_cli.errors import SettingsError, TableError

TESTS = ("cifar10", "cifar100", "ImageNet16-120")
"""The benchmark's names of the space's data sets."""

EPOCHS = "200"
"""The epochs of the longer of the benchmark's two trainings."""


def read_records(folder: Path, on_record: Callable[[int, int], None]) -> Table:
    """The table in a folder of records: means over seeds, after the last epoch; `on_record` hears done and total.

    Raises `SettingsError` without the package, `TableError` for a record that is missing or damaged.
    """
    api = _open(folder)
    numbers = {architecture: number for number, architecture in enumerate(architectures())}
    if sorted(api.meta_archs) != sorted(numbers):
        raise TableError(f"{folder}: its meta file lists {len(api.meta_archs):,} cells, not the {CELLS:,} of the space")
    rows, accuracies = np.empty(CELLS, dtype=np.int64), np.empty((CELLS, len(TESTS)))
    for index, architecture in enumerate(api.meta_archs):
        number = numbers[architecture]
        rows[number], accuracies[number] = index, accuracies_of(api, folder, index)
        on_record(index + 1, CELLS)
    return ranked(rows, accuracies)


def _open(folder: Path) -> Any:
    """The API of the benchmark on a folder; each record is read when it is asked for."""
    try:
        from nats_bench import create
    except ImportError:
        raise SettingsError(
            f"{folder}: reading the benchmark's records needs the package nats_bench: pip install nats_bench"
        ) from None
    try:
        return create(str(folder), "tss", fast_mode=True, verbose=False)
    except Exception as error:
        raise TableError(f"{folder}: the meta file can't be read ({_reason(error)})") from None


def accuracies_of(api: Any, folder: Path, index: int) -> list[float]:
    """The test accuracies of one record in percent; raises `TableError` where it is missing, damaged or not finite."""
    try:
        values = [float(api.get_more_info(index, name, hp=EPOCHS, is_random=False)["test-accuracy"]) for name in TESTS]
        # The API keeps every record that it has read; all of them together would need gigabytes.
        del api.arch2infos_dict[index]
    except Exception as error:
        raise TableError(f"{folder}: record {index:06d} can't be read ({_reason(error)})") from None
    if not all(0 <= value <= 100 for value in values):
        raise TableError(f"{folder}: record {index:06d} has accuracies {values}, and these lie from 0 to 100")
    return values


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:120]}"
