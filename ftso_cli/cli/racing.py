"""`ftso search-topology --rank race`: its budget, its journal, its standings."""

from collections.abc import Sequence
from typing import Any

import typer
from rich.table import Table

from ftso_cli.api.races import Raced, journal_of
from ftso_cli.api.settings import race_settings
from ftso_cli.cli import common, searching
from ftso_cli.cli.console import print_json, say, show
from ftso_cli.cli.live import LiveRace
from ftso_cli.errors import SettingsError
from ftso_cli.processes import check_alone
from ftso_cli.search.race.standings import Standing
from ftso_cli.settings.searches import RaceSettings


def settings(given: dict[str, Any]) -> RaceSettings:
    """The settings of a race from the options that were given; raises `typer.BadParameter` for one that it lacks."""
    try:
        return race_settings({name: value for name, value in given.items() if name != "resume"})
    except SettingsError as error:
        raise typer.BadParameter(str(error)) from None


def race(
    request: searching.Request,
    settings: RaceSettings,
    *,
    resume: bool,
    workers: int | None,
    as_json: bool,
    watch: common.Stopwatch,
) -> None:
    """Runs the race, writes the winner as a pruned genotype, and prints the standings."""
    check_alone("a race runs in one process, several wirings at a time with --workers N")
    path = None if str(request.output) == "-" else journal_of(request.output)
    raced = Raced(request, settings, path=path, resume=resume, workers=workers)
    with common.telling(lambda: _kept(raced)):
        genotype, facts = searching.execute(request, raced, watch, LiveRace(raced))
        raced.close()
    if as_json:
        print_json(facts | {"final": [_facts(each) for each in raced.final], "notes": request.notes})
    elif str(request.output) != "-":
        from ftso_cli import drawing

        show(drawing.text(genotype, title="The wiring that won"))
        show(_table(raced.final))
        for text in request.notes:
            say(text)
        say(f"wrote {request.output} in {watch}")
        searching.propose_training(request)


def _kept(raced: Raced) -> str:
    """What there is to go on from, and how."""
    if raced.path is None or raced.journal is None or not raced.journal.results:
        return ""
    runs = len(raced.journal.results)
    return (
        f"{raced.path} keeps {runs} finished {'run' if runs == 1 else 'runs'}, go on with the same command and --resume"
    )


def _facts(each: Standing) -> dict[str, Any]:
    return {
        "wiring": [list(map(list, inputs)) for inputs in each.topology.cells],
        "depth": round(each.topology.depth, 3),
        "loss": round(each.loss, 4),
        "behind": round(each.behind, 4),
        "error": None if each.error is None else round(each.error, 4),
    }


def _table(final: Sequence[Standing]) -> Table:
    """The finalists: loss, distance to the best with its standard error, depth."""
    table = Table(box=None, padding=(0, 3, 0, 0), header_style="dim")
    for name in ("finalist", "loss", "behind the best", "mean depth"):
        table.add_column(name, justify="left" if name == "finalist" else "right")
    for each in final:
        error = "" if each.error is None else f" ± {each.error:.4f}"
        behind = "" if each is final[0] else f"{each.behind:.4f}{error}"
        table.add_row(str(each.topology), f"{each.loss:.4f}", behind, f"{each.topology.depth:.2f}")
    return table
