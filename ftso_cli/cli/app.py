"""`ftso`: the list of its commands."""

from collections.abc import Callable
from typing import Annotated, Any

import typer

from ftso_cli import __version__
from ftso_cli.cli import assign_ops, convert, cost, draw, evaluate, genotypes, prune, search_ops, search_topology, train
from ftso_cli.cli.group import Command, Commands


class App(typer.Typer):
    """A typer application whose commands are all of the class `Command`."""

    def command(self, *args: Any, **settings: Any) -> Callable[[Any], Any]:
        """Adds a command."""
        return super().command(*args, cls=Command, **settings)


app = App(
    cls=Commands,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ftso {__version__}")
        raise typer.Exit


@app.callback()
def ftso(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Find a small, strong image-classification network: first its topology, then its operators.

    Start with `ftso search-topology --data digits --iters 1 -o cell.json`; every command ends by naming the next one.
    """


app.command("search-topology")(search_topology.search_topology)
app.command("prune")(prune.prune)
app.command("assign-ops")(assign_ops.assign_ops)
app.command("search-ops")(search_ops.search_ops)
app.command("train")(train.train)
app.command("evaluate")(evaluate.evaluate)
app.command("draw")(draw.draw)
app.command("cost")(cost.cost)
app.command("genotypes")(genotypes.genotypes)
app.command("import")(convert.import_)
app.command("export")(convert.export)
