"""The output of a plan: the choices for the images, the machine and the time, with their reasons."""

from typing import TYPE_CHECKING

from ftso_cli.cli.console import note, show
from ftso_cli.texts import format_duration

if TYPE_CHECKING:
    from ftso_cli.training.planning import Plan


def print_plan(plan: "Plan") -> None:
    """Show the choices on stderr, a row each, and how long the training is expected to take."""
    from rich.table import Table

    rows = Table(box=None, padding=(0, 3, 0, 0), header_style="dim")
    for heading in ("chosen", "", "why"):
        rows.add_column(heading)
    for decision in plan.decisions:
        option = "CELL" if decision.option == "cell" else f"--{decision.option.replace('_', '-')}"
        rows.add_row(option, decision.value, decision.why)
    show(rows, on_stderr=True)
    note(f"expected: {plan.epochs} epoch{'s' * (plan.epochs != 1)} in {format_duration(plan.seconds)}")
