"""`ftso search-ops --strategy capacity`: its options, and what it chose among."""

from collections.abc import Callable
from dataclasses import fields
from enum import StrEnum
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from ftso_cli.cli import common, searching
from ftso_cli.cli.console import next_step, note, print_json, say, show
from ftso_cli.genotype import Genotype
from ftso_cli.search.capacity_settings import CapacitySettings
from ftso_cli.spaces import SPACES

if TYPE_CHECKING:
    import torch

    from ftso_cli.data import ImageData
    from ftso_cli.search.capacity import Choice, Trial

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
    given, space = _given(context), SPACES[start.space]
    given["ops"] = searching.operators(given.get("ops")) or tuple(
        op for op in space.candidates if op not in space.never_derived
    )
    return CapacitySettings(**given)


def _given(context: typer.Context) -> dict[str, Any]:
    """The options that the command line gives, but those that every strategy has."""
    sources = {name: context.get_parameter_source(name) for name in context.params if name not in SHARED}
    values = {name: context.params[name] for name, source in sources.items() if source and source.name == "COMMANDLINE"}
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
    found: list[Choice] = []

    def search(images: "ImageData", on: "torch.device", each: Callable[[searching.Standing], None]) -> Genotype:
        from ftso_cli.search.capacity import Capacity

        choice = Capacity(start, images, settings, seed=request.seed or 0, device=on).run(each)
        found.append(choice)
        request.notes.extend(
            f"{_label(start, choice, trial)}: costs {trial.costs:.3f}, loss {trial.loss:.4f}" for trial in choice.trials
        )
        return choice.genotype

    genotype, facts = searching.execute(request, search, watch)
    if as_json:
        trials = [_facts(start, found[0], trial) for trial in found[0].trials]
        print_json(facts | {settings.score: round(found[0].score, 4), "trials": trials})
    elif str(request.output) != "-":
        _report(start, genotype, found[0], settings)
        say(f"wrote {request.output} in {searching.seconds(watch)}")
        next_step(f"ftso train {quote(str(request.output))} --data {quote(request.data)}")


def _report(start: Genotype, genotype: Genotype, choice: "Choice", settings: CapacitySettings) -> None:
    from ftso_cli import drawing

    show(drawing.text(genotype))
    table = Table(box=None, padding=(0, 3, 0, 0), header_style="dim")
    for name in ("trained", settings.score, "loss", "behind the best"):
        table.add_column(name, justify="left" if name == "trained" else "right")
    for trial in choice.trials:
        behind, error = trial.behind(choice.trials[0])
        text = "" if trial is choice.trials[0] else f"{behind:.4f}" + ("" if error is None else f" ± {error:.4f}")
        table.add_row(_label(start, choice, trial), f"{choice.score - trial.costs:.3f}", f"{trial.loss:.4f}", text)
    show(table)
    note(f"cells that differ on one edge and whose {settings.score} is less than {settings.slack:g} below the highest")
    say(searching.counted(genotype))


def _label(start: Genotype, choice: "Choice", trial: "Trial") -> str:
    """Where a cell differs from that of the highest score."""
    kinds = SPACES[start.space].kinds
    edges = [f"{kind} {edge}" if len(kinds) > 1 else str(edge) for kind in kinds for edge in start.cells[kind].kept]
    changed = [f"{edge} {op}" for edge, op, its in zip(edges, trial.ops, choice.highest, strict=True) if op != its]
    return ", ".join(changed) or "highest score"


def _facts(start: Genotype, choice: "Choice", trial: "Trial") -> dict[str, Any]:
    behind, error = trial.behind(choice.trials[0])
    return {
        "cell": _label(start, choice, trial),
        "ops": list(trial.ops),
        "costs": round(trial.costs, 4),
        "loss": round(trial.loss, 4),
        "behind": round(behind, 4),
        "error": None if error is None else round(error, 4),
    }
