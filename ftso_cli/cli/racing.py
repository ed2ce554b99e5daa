"""`ftso search-topology --rank race`: its budget, its journal, its standings."""

import re
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import typer
from rich.table import Table

from ftso_cli.cli import common, searching
from ftso_cli.cli.console import next_step, note, print_json, say, show
from ftso_cli.genotype import Genotype
from ftso_cli.search import journal
from ftso_cli.search.settings import RACE, RaceSettings
from ftso_cli.search.standings import Standing

if TYPE_CHECKING:
    import torch

    from ftso_cli.data import ImageData

UNITS = {"s": 1, "m": 60, "h": 3600}


def budget(text: str) -> dict[str, Any]:
    """`5m`, `90s` or `1h` as the seconds of a race, `2000` as its training steps."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text.strip())
    if match is None or (not match[2] and "." in match[1]):
        raise typer.BadParameter(
            f"{text!r} is no budget; give a time as in 5m, 90s, 1h, or training steps as in 2000", param_hint="--budget"
        )
    return {"seconds": float(match[1]) * UNITS[match[2]]} if match[2] else {"steps": int(match[1])}


def settings(given: dict[str, Any]) -> RaceSettings:
    """The settings of a race from the options that were given; raises `typer.BadParameter` for one that it lacks."""
    known = {field.name for field in fields(RaceSettings)} | {"ops", "budget", "resume"}
    for name in given:
        if name not in known:
            raise typer.BadParameter("has no meaning in a race", param_hint=f"--{name.replace('_', '-')}")
    ops = given.get("ops", (RACE.op,))
    if len(ops) != 1:
        raise typer.BadParameter("a race has one operator on every edge", param_hint="--op")
    kept = {name: value for name, value in given.items() if name not in ("ops", "budget", "resume")}
    return RaceSettings(op=ops[0], **budget(given["budget"]) if "budget" in given else {}, **kept)


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
    final: list[Standing] = []
    seed, path = request.seed or 0, _journal_of(request.output)

    def search(images: "ImageData", on: "torch.device", each: Callable[[searching.Standing], None]) -> Genotype:
        from ftso_cli.search.race import Race, decided

        kept = journal.opened(settings.recorded(), seed, images.name, path, resume=resume)
        try:
            final.extend(Race(images, settings, kept, seed=seed, device=on, workers=workers).run(each))
        except KeyboardInterrupt:
            if path is not None and kept.results:
                note(f"stopped; {path} keeps {len(kept.results)} runs, go on with the same command and --resume")
            raise
        kept.close()
        found, text = decided(final, settings.op)
        request.notes.append(text)
        return found

    genotype, facts = searching.execute(request, search, watch)
    if as_json:
        print_json(facts | {"final": [_facts(each) for each in final], "notes": request.notes})
    elif str(request.output) != "-":
        from ftso_cli import drawing

        show(drawing.text(genotype, title="The wiring that won"))
        show(_table(final))
        for text in request.notes:
            say(text)
        say(f"wrote {request.output} in {searching.seconds(watch)}")
        next_step(f"ftso train {quote(str(request.output))} --data {quote(request.data)}")


def _journal_of(output: Path) -> Path | None:
    """The file beside the genotype in which a race keeps its finished runs."""
    return None if str(output) == "-" else output.with_name(f"{output.stem}.race.json")


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
