"""The output of `ftso sweep`: status and table of a study."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ftso_cli.cli.console import aligned, note, print_json, say, warn
from ftso_cli.studies import tables
from ftso_cli.studies.measures import tested_alike
from ftso_cli.studies.pairs import Pairs, describe_correlation, pairs
from ftso_cli.studies.results import State, Trial
from ftso_cli.studies.verbs import StudyState
from ftso_cli.texts import format_duration

STATES: tuple[State, ...] = ("done", "running", "failed", "waiting")


def show_status(found: Sequence[Trial], folder: Path, *, as_json: bool) -> None:
    """Settings against states, the time that is left, and what failed ones have said."""
    counted = Counter(one.state for one in found)
    left = _seconds_left(found)
    failed = [one for one in found if one.state == "failed"]
    if as_json:
        errors = [{"setting": one.setting, "seed": one.seed, "error": one.error} for one in failed]
        totals = {state: counted[state] for state in STATES}
        print_json({"study": str(folder)} | totals | {"seconds_left": left, "errors": errors})
        return
    settings = list(dict.fromkeys(one.setting for one in found))
    rows = [["setting", *STATES]]
    for setting in settings:
        own = Counter(one.state for one in found if one.setting == setting)
        rows.append([setting, *(str(own[state] or "·") for state in STATES)])
    rows.append(["all", *(str(counted[state]) for state in STATES)])
    _print(rows)
    if left is not None:
        say(
            f"about {format_duration(left)} left of the work of one process"
            + f", or {format_duration(left / 2)} with two" * (left > 60)
        )
    for one in failed:
        warn(f"{one.setting}, seed {one.seed}: {one.error}")
    if failed:
        note("failed trials run again with ftso sweep STUDY --retry-failed")


def _seconds_left(found: Sequence[Trial]) -> float | None:
    """The mean seconds of finished trials for each that is still to be done; None where none is finished or left."""
    done = [sum(one.seconds.values()) for one in found if one.state == "done"]
    left = sum(one.state in ("running", "waiting") for one in found)
    return left * sum(done) / len(done) if done and left else None


def show_results(state: StudyState, *, as_json: bool) -> None:
    """The table of the settings, and what the figure tells besides."""
    study, found, rows = state.study, state.trials, state.rows
    done = [one for one in found if one.state == "done" and "train" in one.folders]
    if not tested_alike((one.seed % (study.folds or 1), one.folders["train"]) for one in done):
        warn("trials were tested on different images, so their accuracies don't compare: the folder has changed")
    together = pairs(study, found) if study.figure.kind == "scatter" else []
    if as_json:
        facts: dict[str, Any] = {"study": study.name, "settings": [asdict(row) for row in rows]}
        facts |= {"correlations": [_correlated(one) for one in together]} if together else {}
        print_json(facts | {"trials": [_plain(one) for one in found]})
        return
    _print(tables.of_settings(rows))
    for one in together:
        say(f"{one.first} against {one.second}: {describe_correlation(one.correlation)}")
    if any(row.error and row.error.n < 5 for row in rows):
        note("few seeds: intervals are wide, and a difference inside them is none that was found")


def _correlated(one: Pairs) -> dict[str, Any]:
    return {"first": one.first, "second": one.second} | asdict(one.correlation)


def _plain(trial: Trial) -> dict[str, Any]:
    facts = asdict(trial) | {"folder": None if trial.folder is None else str(trial.folder)}
    return facts | {"folders": {name: str(folder) for name, folder in trial.folders.items()}}


def _print(rows: Sequence[Sequence[str]]) -> None:
    for line in aligned(rows, [True] + [False] * (len(rows[0]) - 1), "  "):
        say(line)
