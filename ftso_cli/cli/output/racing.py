"""`ftso search-topology --rank race`: the finalists."""

from typing import TYPE_CHECKING, Any

from rich.table import Table

from ftso_cli.cli.console import say, show

if TYPE_CHECKING:
    from ftso_cli.api.search.searching import Found


def report_race(found: "Found") -> None:
    """Print the wiring that won, the finalists, and how sure it is."""
    from ftso_cli import drawing

    show(drawing.text(found.genotype, title="The wiring that won"))
    show(_table(found))
    for text in found.notes:
        say(text)


def finalists_json(found: "Found") -> dict[str, Any]:
    """Return the finalists for --json."""
    final = [
        {
            "wiring": [list(map(list, inputs)) for inputs in each.topology.cells],
            "depth": round(each.topology.depth, 3),
            "loss": round(each.loss, 4),
            "behind": round(each.behind, 4),
            "error": None if each.error is None else round(each.error, 4),
        }
        for each in found.final
    ]
    return {"final": final, "notes": list(found.notes)}


def _table(found: "Found") -> Table:
    """The finalists: loss, distance to the best with its standard error, depth."""
    table = Table(box=None, padding=(0, 3, 0, 0), header_style="dim")
    for name in ("finalist", "loss", "behind the best", "mean depth"):
        table.add_column(name, justify="left" if name == "finalist" else "right")
    for each in found.final:
        error = "" if each.error is None else f" ± {each.error:.4f}"
        behind = "" if each is found.final[0] else f"{each.behind:.4f}{error}"
        table.add_row(str(each.topology), f"{each.loss:.4f}", behind, f"{each.topology.depth:.2f}")
    return table
