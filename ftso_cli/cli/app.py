"""`ftso`: the commands, and what every one of them shares: errors on one line, exit status, --debug."""

import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from ftso_cli import __version__
from ftso_cli.cli import assign_ops, prune
from ftso_cli.cli.console import fail
from ftso_cli.errors import FtsoError

INTERRUPTED = 130


class Commands(TyperGroup):
    """Turns what goes wrong into one line and an exit status, and lists commands in the order they are used in."""

    def invoke(self, ctx: Any) -> Any:
        """Runs the command: 1 for an error of the user's, 130 for Ctrl-C; the traceback only with --debug."""
        try:
            return super().invoke(ctx)
        except FtsoError as error:
            if ctx.params.get("debug"):
                raise
            fail(str(error))
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            fail("interrupted")
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            # The reader of our output has gone, as in `ftso genotypes | head`: nothing more to say to it.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None

    def list_commands(self, ctx: Any) -> list[str]:
        """The commands in the order they were added."""
        return list(self.commands)


app = typer.Typer(
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


app.command("prune")(prune.prune)
app.command("assign-ops")(assign_ops.assign_ops)
