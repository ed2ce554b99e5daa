"""`ftso search-ops --strategy capacity`: its options, and what it chose among."""

from dataclasses import fields
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from ftso_cli.api.races import ByCapacity
from ftso_cli.api.settings import capacity_settings, operators
from ftso_cli.cli import common, searching
from ftso_cli.cli.console import note, print_json, say, show
from ftso_cli.genotype import Genotype
from ftso_cli.processes import check_alone
from ftso_cli.settings.capacity import CapacitySettings

if TYPE_CHECKING:
    from ftso_cli.search.operators.capacity import Trial

SHARED = ("strategy", "cell", "data", "output", "seed", "image_size", "device", "as_json")
"""Options that mean the same whatever the strategy."""

OWN = ("score", "slack", "steps", "inits")

FIELDS = {field.name: field for field in fields(CapacitySettings)}


class Strategy(StrEnum):
    """The values of --strategy."""

    gradient = "gradient"
    capacity = "capacity"


class Score(StrEnum):
    """The values of --score."""

    synflow = "synflow"
    naswot = "naswot"
    zico = "zico"


def _option(name: str, text: str, least: float) -> Any:
    return typer.Option(min=least, help=f"Capacity: {text}", show_default=f"{FIELDS[name].default:g}")


StrategyOption = Annotated[
    Strategy, typer.Option(help="gradient, the paper's; or capacity: a training-free score, then short races.")
]
ScoreOption = Annotated[
    Score | None,
    typer.Option(help="Capacity: what tells how much a cell holds.", show_default=str(FIELDS["score"].default)),
]
SlackOption = Annotated[
    float | None, _option("slack", "how far below the highest score a cell may be and still race.", 0)
]
StepsOption = Annotated[int | None, _option("steps", "training steps of a run.", 2)]
InitsOption = Annotated[int | None, _option("inits", "runs of each cell, from paired weights.", 1)]


def asked(context: typer.Context, strategy: Strategy) -> bool:
    """Whether this is the strategy; raises `typer.BadParameter` for an option that the strategy has no use for."""
    wanted = strategy is Strategy.capacity
    for name in _given(context):
        if (name not in FIELDS) if wanted else (name in OWN):
            option = f"--{name.replace('_', '-')}"
            raise typer.BadParameter(f"has no meaning with --strategy {strategy.value}", param_hint=option)
    return wanted


def settings(context: typer.Context, start: Genotype) -> CapacitySettings:
    """The settings from the options that the command line gives."""
    given = _given(context)
    if ops := operators(given.pop("ops", None)):
        given["ops"] = ops
    return capacity_settings(start.space, given)


def _given(context: typer.Context) -> dict[str, Any]:
    """The options that the command line gives, but those that every strategy has."""
    names = [name for name in context.params if name not in SHARED and common.is_given(context, name)]
    values = {name: context.params[name] for name in names}
    return {name: value.value if isinstance(value, StrEnum) else value for name, value in values.items()}


def choose(
    start: Genotype,
    request: searching.Request,
    settings: CapacitySettings,
    watch: common.Stopwatch,
    *,
    as_json: bool,
) -> None:
    """Runs the search, writes the cell, and prints what it was chosen among."""
    check_alone("--strategy capacity trains small networks one after another, in one process")
    search = ByCapacity(start, request, settings)
    genotype, facts = searching.execute(request, search, watch)
    if as_json:
        trials = [_facts(search, trial) for trial in search.choice.trials]
        print_json(facts | {settings.score: round(search.choice.score, 4), "trials": trials})
    elif str(request.output) != "-":
        _report(genotype, search)
        say(f"wrote {request.output} in {watch}")
        searching.propose_training(request)


def _report(genotype: Genotype, search: ByCapacity) -> None:
    from ftso_cli import drawing

    choice, settings = search.choice, search.settings
    show(drawing.text(genotype))
    table = Table(box=None, padding=(0, 3, 0, 0), header_style="dim")
    for name in ("trained", settings.score, "loss", "behind the best"):
        table.add_column(name, justify="left" if name == "trained" else "right")
    for trial in choice.trials:
        behind, error = trial.behind(choice.trials[0])
        text = "" if trial is choice.trials[0] else f"{behind:.4f}" + ("" if error is None else f" ± {error:.4f}")
        table.add_row(search.label(trial), f"{choice.score - trial.costs:.3f}", f"{trial.loss:.4f}", text)
    show(table)
    note(f"cells that differ on one edge and whose {settings.score} is less than {settings.slack:g} below the highest")
    say(searching.counted(genotype))


def _facts(search: ByCapacity, trial: "Trial") -> dict[str, Any]:
    behind, error = trial.behind(search.choice.trials[0])
    return {
        "cell": search.label(trial),
        "ops": list(trial.ops),
        "costs": round(trial.costs, 4),
        "loss": round(trial.loss, 4),
        "behind": round(behind, 4),
        "error": None if error is None else round(error, 4),
    }
