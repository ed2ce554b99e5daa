"""Results as tables of text."""

from collections.abc import Sequence

from ftso_cli.studies.analysis.results import SettingRow, Trial
from ftso_cli.studies.analysis.statistics import Spread

Table = list[list[str]]
"""The first row names the columns."""


def of_settings(rows: Sequence[SettingRow]) -> Table:
    """A row a setting: test error in percent over seeds, difference to the first setting, cost."""
    head = ["setting", "seeds", "error %", "std", "95 % ±", "to the first", "95 % ±", "parameters", "MACs"]
    head += ["search s", "train s"]
    names = sorted({name for row in rows for name in row.measures})
    paper = any(row.paper is not None for row in rows)
    head += names + ["paper, error %"] * paper
    return [
        head,
        *([*_cells(row), *(_mean(row, name) for name in names), *_paper(row, paper)] for row in rows),
    ]


def _cells(row: SettingRow) -> list[str]:
    return [
        row.setting,
        str(row.error.n if row.error else 0),
        *_spread(row.error),
        *_spread(row.difference, "+")[::2],
        _number(row.parameters, ",.0f"),
        _number(row.macs, ",.0f"),
        _number(row.seconds, ".1f"),
        _number(row.training, ".1f"),
    ]


def _spread(value: Spread | None, sign: str = "") -> list[str]:
    """Mean, standard deviation, half of the confidence interval."""
    if value is None:
        return ["", "", ""]
    return [_number(value.mean, f"{sign}.2f"), _number(value.std), _number(value.half)]


def _paper(row: SettingRow, wanted: bool) -> list[str]:
    return [_number(row.paper)] if wanted else []


def of_trials(trials: Sequence[Trial]) -> Table:
    """A row a trial, as it was measured."""
    stages = list(dict.fromkeys(name for one in trials for name in one.seconds))
    names = sorted({name for one in trials for name in one.measures})
    head = ["setting", "seed", "state", "accuracy", "parameters", "macs", *(f"{name} s" for name in stages), *names]
    rows = [
        [
            one.setting,
            str(one.seed),
            one.state,
            "" if one.accuracy is None else f"{one.accuracy:.6g}",
            "" if one.parameters is None else str(one.parameters),
            "" if one.macs is None else str(one.macs),
            *(f"{one.seconds[name]:.3f}" if name in one.seconds else "" for name in stages),
            *(f"{one.measures[name]:.6g}" if name in one.measures else "" for name in names),
            str(one.folder or ""),
            one.cells,
            one.error or "",
        ]
        for one in trials
    ]
    return [[*head, "folder", "cells", "error"], *rows]


def _mean(row: SettingRow, name: str) -> str:
    return _number(row.measures[name].mean, ".4g") if name in row.measures else ""


def _number(value: float | None, form: str = ".2f") -> str:
    return "" if value is None else f"{value:{form}}"
