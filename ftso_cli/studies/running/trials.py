"""The trials of a study in Optuna's storage: SQLite beside the study, or any database that many machines reach.

A trial is a row whose user attributes hold its key, setting and seed; Optuna hands out the waiting ones, each to one
worker. A running trial gives signs of life; where they end, Optuna calls it failed, and a copy of it waits. Two
processes that plan the same study at once may both add a trial: of those with one key, the first runs.
"""

import os
import sqlite3
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ftso_cli.errors import FileError, SettingsError
from ftso_cli.files import check_inside
from ftso_cli.studies.plan import PlannedTrial

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.trial import FrozenTrial

HEARTBEAT, GRACE = 5, 30
"""Seconds between signs of life, and after which their absence means that a trial was killed."""

ATTEMPTS = 3

PATIENCE, READ_PATIENCE = 20, 2
"""Seconds to wait for a database that another process has locked, for who writes and for who only reads."""

LOCKED = "database is locked"

DATABASE = "trials.db"

ASKED = ("key", "setting", "seed")
"""The facts of a trial from its start; running it adds the others."""

ORDER = ("FAIL", "WAITING", "RUNNING", "COMPLETE")
"""Optuna's states, the one that counts most last."""

Objective = Callable[["Trial"], float]


def open_study(name: str, folder: Path, url: str | None) -> "Study":
    """The study in the database at `url`, or in the SQLite file of its folder; made where it isn't there yet.

    Raises `SettingsError` without the package, and `FileError` where the database can't be reached or is a link.
    """
    optuna = _optuna()
    _check_inside(folder, url)
    for left in reversed(range(ATTEMPTS)):
        try:
            storage = _storage(folder, url, read_only=False)
            study: Study = optuna.create_study(
                study_name=name, storage=storage, load_if_exists=True, direction="maximize"
            )
            return study
        except Exception as error:
            # SQLAlchemy and the drivers below it have no exception in common. Of two who make the tables of a new
            # database at once, one fails, and finds them when it looks again.
            if not left or LOCKED in _reason(error):
                raise FileError(f"{_shown(folder, url)}: no study can be kept there ({_reason(error)})") from None
            time.sleep(0.5)
    raise AssertionError


def read_states(name: str, folder: Path, url: str | None, keys: Sequence[str]) -> dict[str, "FrozenTrial"]:
    """The trials of a study by key, as `states` gives them; nothing is written, nor waited for.

    Raises `FileError` where the database can't be read, as one that is locked or damaged. Without a database, or a
    study in it, there are none.
    """
    optuna = _optuna()
    _check_inside(folder, url)
    if url is None and not (folder / DATABASE).is_file():
        return {}
    try:
        return states(optuna.load_study(study_name=name, storage=_storage(folder, url, read_only=True)), keys)
    except KeyError:
        return {}
    except Exception as error:
        raise FileError(f"{_shown(folder, url)}: can't be read ({_reason(error)})") from None


def _optuna() -> Any:
    try:
        import optuna
    except ImportError:
        raise SettingsError("studies need the package optuna; install with: pip install 'ftso[sweep]'") from None
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    return optuna


def _check_inside(folder: Path, url: str | None) -> None:
    """Raises `FileError` where the SQLite file of a study's folder, or what is written beside it, is a link."""
    for ending in ("", "-journal", "-wal", "-shm") if url is None else ():
        check_inside(folder / f"{DATABASE}{ending}")


def _storage(folder: Path, url: str | None, *, read_only: bool) -> Any:
    import optuna

    kept: dict[str, Any] = {"url": url or "sqlite://"}
    if url is None:
        # By a function, for in a URL `?`, `%` and braces of a path have a meaning.
        kept["engine_kwargs"] = _sqlite(folder / DATABASE, read_only)
    with warnings.catch_warnings():
        # Optuna calls its signs of life experimental.
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        if read_only:
            return optuna.storages.RDBStorage(**kept, skip_table_creation=True)
        return optuna.storages.RDBStorage(
            **kept, heartbeat_interval=HEARTBEAT, grace_period=GRACE, heartbeat_stale_trial_callback=requeue
        )


def _sqlite(path: Path, read_only: bool) -> dict[str, Any]:
    """Return how SQLAlchemy connects to a file; one that is only read is never made, nor needs a folder to write in."""
    from sqlalchemy.pool import NullPool

    place = f"file:{quote(os.fsencode(path.resolve()))}?mode={'ro' if read_only else 'rwc'}"
    patience = READ_PATIENCE if read_only else PATIENCE

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(place, uri=True, timeout=patience, check_same_thread=False)

    return {"creator": connect, "poolclass": NullPool}


def _shown(folder: Path, url: str | None) -> str:
    return str(folder / DATABASE) if url is None else url.split("@")[-1]


def _reason(error: BaseException) -> str:
    """Return the reason below Optuna's error, which says of everything that the data may be invalid."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = " ".join(str(error).split("[SQL:")[0].split())[:200]
    hint = "; another program holds it, try again once that has ended" if LOCKED in text else ""
    return f"{type(error).__name__}: {text}{hint}"


def requeue(study: "Study", trial: "FrozenTrial | Trial") -> None:
    """Lets a copy of a trial wait to be run again."""
    study.enqueue_trial({}, user_attrs={name: trial.user_attrs[name] for name in ASKED if name in trial.user_attrs})


def enqueue(study: "Study", planned: Sequence[PlannedTrial]) -> None:
    """Adds the trials that are not there yet, in their order."""
    known = states(study, [trial.key for trial in planned])
    for trial in planned:
        if trial.key not in known:
            study.enqueue_trial({}, user_attrs={"key": trial.key, "setting": trial.setting, "seed": trial.seed})


def states(study: "Study", keys: Sequence[str]) -> dict[str, "FrozenTrial"]:
    """By key, the trial that counts: the finished one, else the first that lives, else the last that failed.

    Pruned ones, which were doubles or gave way to a copy, count for nothing.
    """
    found: dict[str, FrozenTrial] = {}
    for trial in study.get_trials(deepcopy=False):
        key = str(trial.user_attrs.get("key"))
        if key in keys and trial.state.name in ORDER and (key not in found or _weight(trial) > _weight(found[key])):
            found[key] = trial
    return found


def _weight(trial: "FrozenTrial") -> tuple[int, int]:
    name = trial.state.name
    return ORDER.index(name), trial.number if name == "FAIL" else -trial.number


def counts(study: "Study", trial: "Trial") -> bool:
    """Return True where a trial is the one of its key that runs: none is finished, and no earlier one lives."""
    key = trial.user_attrs.get("key")
    same = [one for one in study.get_trials(deepcopy=False) if one.user_attrs.get("key") == key]
    living = [one.number for one in same if one.state.name in ("WAITING", "RUNNING")]
    return key is not None and not any(one.state.name == "COMPLETE" for one in same) and min(living) == trial.number


def run_one(study: "Study", objective: Objective, claim: AbstractContextManager[Any]) -> None:
    """Takes up trials whose worker was killed, then runs one that waits, if there is one.

    `claim` is held until a trial is in hand: SQLite gives a waiting row to two who ask at the same moment.
    """
    import optuna

    with warnings.catch_warnings(), ExitStack() as claimed:
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        claimed.enter_context(claim)

        def begun(trial: "Trial") -> float:
            claimed.close()
            return objective(trial)

        # A machine that slept finds that its trial was taken for dead, and can't tell the result any more: ValueError.
        # The copy that was made of the trial finds all stages done.
        with suppress(ValueError):
            study.optimize(begun, n_trials=1, catch=(Exception,))


def requeue_killed(study: "Study") -> None:
    """Takes up trials whose worker was killed."""
    import optuna

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        optuna.storages.fail_stale_trials(study)


def set_attributes(trial: "Trial", facts: Mapping[str, Any]) -> None:
    """Keeps facts of a trial, JSON values by name."""
    for name, value in facts.items():
        trial.set_user_attr(name, value)
