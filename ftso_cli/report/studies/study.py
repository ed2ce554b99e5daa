"""A study on the page: its settings side by side, every trial, and the errors of those that failed."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ftso_cli import shell
from ftso_cli.report.palette import Key, source_colour
from ftso_cli.report.plots import charts
from ftso_cli.report.plots.charts import Spec, Values
from ftso_cli.report.studies.study_figure import Panel, panels
from ftso_cli.studies import tables
from ftso_cli.studies.results import FILE, SettingRow, Trial, read_settings, read_trials, summary
from ftso_cli.studies.study import Study
from ftso_cli.texts import last_name, one_line

MOST_KEYS = 8
"""Settings that get a colour each; of more, pointing at a dot tells its setting."""


@dataclass(frozen=True, kw_only=True)
class StudyFound:
    """A study as it stands: a row a setting, and its trials."""

    folder: Path
    study: Study
    rows: tuple[SettingRow, ...]
    trials: tuple[Trial, ...]

    @property
    def best(self) -> Trial | None:
        """The trial of the highest accuracy whose folders are still there."""
        there = [one for one in self.trials if one.accuracy is not None and one.folder and one.folder.is_dir()]
        return max(there, key=lambda one: one.accuracy or 0.0, default=None)

    @property
    def standing(self) -> str:
        """The numbers of trials done, running, failed and waiting, as text."""
        counts = Counter(one.state for one in self.trials)
        return ", ".join(f"{counts[state]} {state}" for state in counts)


@dataclass(frozen=True, kw_only=True)
class StudySection:
    """The part of the page about a study; the first row of `table` names its columns."""

    table: Sequence[Sequence[str]]
    errors: str
    panels: tuple[Panel, ...]
    clouds: tuple[str, ...]
    keys: tuple[Key, ...]
    trials: tuple[tuple[str, ...], ...]
    failed: tuple[tuple[str, str], ...]
    best: str
    command: str


def is_study(folder: Path) -> bool:
    """Return True for the folder of an `ftso sweep`."""
    return (folder / FILE).is_file()


def read_found(folder: Path, storage: str | None) -> StudyFound:
    """The study of a folder; raises `RunError` or `FileError` where it or its storage can't be read."""
    study = read_settings(folder)
    settings = [setting.model_copy(update={"name": one_line(setting.name)}) for setting in study.settings]
    study = study.model_copy(update={"settings": tuple(settings)})
    trials = [replace(trial, setting=one_line(trial.setting)) for trial in read_trials(folder, storage)]
    return StudyFound(folder=folder, study=study, rows=tuple(summary(study, trials)), trials=tuple(trials))


def study_section(found: StudyFound) -> StudySection:
    """Return the part of the page about a study."""
    names = [setting.name for setting in found.study.settings]
    best = found.best
    return StudySection(
        table=tables.of_settings(found.rows),
        errors=_errors(found),
        panels=panels(found.study, found.trials),
        clouds=tuple(_clouds(found, names)),
        keys=tuple(Key(label=name, colour=source_colour(at)) for at, name in enumerate(names))
        if len(names) <= MOST_KEYS
        else (),
        trials=tuple(_told(one) for one in found.trials),
        failed=tuple((f"{one.setting}, seed {one.seed}", one.error) for one in found.trials if one.error),
        best="" if best is None else f"{best.setting}, seed {best.seed}",
        command=shell.command_line("sweep results", last_name(str(found.folder))),
    )


def _told(one: Trial) -> tuple[str, ...]:
    accuracy = "" if one.accuracy is None else f"{one.accuracy:.2%}"
    parameters = "" if one.parameters is None else f"{one.parameters:,}"
    return one.setting, str(one.seed), one.state, accuracy, parameters, _seconds(one), one.cells


def _seconds(one: Trial) -> str:
    return f"{sum(one.seconds.values()):.1f}" if one.seconds else ""


def _errors(found: StudyFound) -> str:
    """Test errors by setting: a dot a seed, a bar for the mean, a line for its 95 % confidence interval."""
    dots: Values = [
        {"setting": one.setting, "error": one.percent_wrong, "tip": f"{one.setting}, seed {one.seed}\n{_error(one)}"}
        for one in found.trials
        if one.percent_wrong is not None
    ]
    means: Values = [
        {
            "setting": row.setting,
            "error": row.error.mean,
            "low": max(0.0, row.error.mean - (row.error.half or 0.0)),
            "high": min(100.0, row.error.mean + (row.error.half or 0.0)),
            "tip": f"{row.setting}\nmean of {row.error.n}: {row.error.mean:.2f} % wrong",
        }
        for row in found.rows
        if row.error is not None
    ]
    if not dots:
        return ""
    y = charts.nominal("setting", axis={"labelLimit": 320, "ticks": False, "domain": False})
    x = charts.quantitative("error", title="test error, %")
    layers: list[Spec] = [
        {
            "data": {"values": means},
            "mark": {"type": "rule", "strokeWidth": 6, "opacity": 0.18, "color": "var(--op-sep)", "aria": False},
            "encoding": {"x": {**x, "field": "low"}, "x2": {"field": "high"}, "y": y},
        },
        {
            "data": {"values": means},
            "mark": {"type": "tick", "thickness": 3, "size": 18, "color": "var(--op-sep)"},
            "encoding": {"x": x, "y": y, "description": {"field": "tip"}},
        },
        {
            "data": {"values": dots},
            "mark": {"type": "circle", "size": 45, "color": "var(--op-dil)", "opacity": 0.85},
            "encoding": {"x": x, "y": y, "description": {"field": "tip"}},
        },
    ]
    return charts.chart_svg({"width": 520, "height": {"step": 30}, "layer": layers})


def _error(one: Trial) -> str:
    return f"{one.percent_wrong:.2f} % wrong"


def _dots(found: StudyFound, names: Sequence[str], cost: str) -> Values:
    """Every trial that was tested, with what it cost."""
    dots = []
    for one in found.trials:
        amount = one.parameters if cost == "parameters" else sum(one.seconds.values()) or None
        if one.accuracy is not None and amount is not None:
            dots.append(
                {
                    "amount": amount,
                    "accuracy": 100 * one.accuracy,
                    "colour": source_colour(names.index(one.setting)),
                    "tip": f"{one.setting}, seed {one.seed}\n{one.accuracy:.2%}, {amount:,.0f} {cost}",
                }
            )
    return dots


def _clouds(found: StudyFound, names: Sequence[str]) -> Iterator[str]:
    """Accuracy against each cost that is known, a dot a trial."""
    for cost, title in (("parameters", "parameters"), ("seconds", "seconds of all stages")):
        if dots := _dots(found, names, cost):
            x = charts.quantitative("amount", title=title, format="~s")
            yield charts.cloud(dots, x, charts.quantitative("accuracy", title="test accuracy, %"))
