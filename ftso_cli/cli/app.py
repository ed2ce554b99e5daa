"""`ftso`: the list of its commands."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated

import typer

from ftso_cli import __version__
from ftso_cli.cli.group import MARKUP, CommandEntry, Commands

GROUPS: Mapping[str, Mapping[str, CommandEntry]] = {
    "Train and use": {
        "train": CommandEntry("train:train", "Train a network for a folder of images, or of a cell.", parallel=True),
        "evaluate": CommandEntry("evaluate:evaluate", "Test a trained network again."),
        "predict": CommandEntry("predict:predict", "Classify images with a trained network."),
        "latency": CommandEntry("latency:latency", "Measure the latency of a run, or of a cell."),
    },
    "Search": {
        "search-topology": CommandEntry(
            "search_topology:search_topology",
            "Search how the nodes of a cell are wired (Algorithm 1).",
            parallel=True,
        ),
        "stability": CommandEntry("stability:stability", "Tell whether other seeds find the same wiring."),
        "prune": CommandEntry("prune:prune", "Keep the strongest edges of each node."),
        "assign-ops": CommandEntry("assign_ops:assign_ops", "Give every kept edge the same operator."),
        "search-ops": CommandEntry(
            "search_ops:search_ops", "Search the operator of every kept edge (Algorithm 2).", parallel=True
        ),
        "search": CommandEntry("search:search", "Search both at once: DARTS, PC-DARTS, random search.", parallel=True),
    },
    "Look": {
        "draw": CommandEntry("draw:draw", "Draw cells: in the terminal, as svg, png, pdf or dot."),
        "report": CommandEntry("report:report", "Make a page about a trained network, a cell or a study."),
        "compare": CommandEntry("compare:compare", "Compare cells or runs: edges, costs, accuracies."),
        "cost": CommandEntry("cost:cost", "Count parameters and MACs exactly; the paper's formulas."),
        "score": CommandEntry("score:score", "Score cells without training them."),
    },
    "Library": {
        "genotypes": CommandEntry("genotypes:genotypes", "List the published cells that come with ftso."),
        "import": CommandEntry("convert:import_", "Read a genotype in the format of another tool."),
        "export": CommandEntry("convert:export", "Write a genotype or a trained network for another tool."),
    },
    "Studies": {
        "sweep": CommandEntry("sweep:app", "Run a study over settings and seeds, or one of the paper's."),
        "query": CommandEntry("query:query", "Look up a nats cell in the table of NATS-Bench."),
        "nats-table2": CommandEntry("nats_table2:nats_table2", "Run the paper's comparison on NATS-Bench again."),
    },
    "This machine": {
        "doctor": CommandEntry("doctor:doctor", "Check this machine, and name what fixes it."),
    },
}
"""The commands by group, the first to use first; places are in `cli.commands`."""

COMMANDS = {
    name: replace(entry, place=f"ftso_cli.cli.commands.{entry.place}", panel=group)
    for group, entries in GROUPS.items()
    for name, entry in entries.items()
}


class Ftso(Commands):
    """The commands, in the order they are used in."""

    table = COMMANDS


app = typer.Typer(
    name="ftso",
    cls=Ftso,
    no_args_is_help=True,
    rich_markup_mode=MARKUP,
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
    """Find and train a small, strong image classifier.

    From images: `ftso train --data photos/`. The paper's search, First Topology, Second Operator: `ftso search-topology
    --data digits --iters 1 -o cell.json`. Commands end by naming the next one.
    """
