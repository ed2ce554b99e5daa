"""The common part of all commands: errors on one line, exit status, --debug, help, loading on demand."""

import atexit
import gc
import io
import os
import re
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from copy import copy
from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar, Final

import typer
from typer.core import TyperCommand, TyperGroup

from ftso_cli import processes
from ftso_cli.errors import FileError, FtsoError
from ftso_cli.interrupt import INTERRUPTED

COMPLETING = "_FTSO_COMPLETE"
"""Set where a shell asks what a word may become."""

OUT_OF_MEMORY = (
    "can't allocate memory",
    "Cannot allocate memory",
    "out of memory",
    "failed to map segment",
    "std::bad_alloc",
    "Storage size calculation overflowed",
)
"""Parts of the messages of failed allocations."""

MARKUP: Final = "markdown"
"""The markup of help in docstrings."""


@dataclass(frozen=True)
class CommandEntry:
    """A command of the program: where its function or Typer is, as `module:name`; what `ftso --help` says of it."""

    place: str
    summary: str
    parallel: bool = False
    """True where several processes can run it together, as `torchrun` starts them."""
    panel: str | None = None
    """The group of commands that `ftso --help` lists it in."""

    def load(self, name: str) -> Any:
        """Imports the module and makes the command, or the group of commands where the place holds a Typer."""
        target = self._target()
        if isinstance(target, typer.Typer):
            group = typer.main.get_command(target)
            group.name = name
            return group
        one = typer.Typer(add_completion=False, rich_markup_mode=MARKUP)
        one.command(name, cls=Command)(target)
        return typer.main.get_command(one)

    def functions(self, name: str) -> dict[str, Callable[..., Any]]:
        """The functions behind the command, by what is typed: `prune`, or `sweep`, `sweep status` and so on."""
        target = self._target()
        if not isinstance(target, typer.Typer):
            return {name: target}
        below = [(one.name, one.callback) for one in target.registered_commands if one.callback]
        return {f"{name} {own or function.__name__}": function for own, function in below}

    def _target(self) -> Any:
        module, within = self.place.split(":")
        return getattr(import_module(module), within)


class Remarks(io.TextIOWrapper):
    """The stream of remarks; on a full disk they are lost, and the work goes on."""

    def write(self, text: str) -> int:
        """Writes what can be written."""
        with suppress(OSError):
            super().write(text)
        return len(text)

    def flush(self) -> None:
        """Writes out what can be."""
        with suppress(OSError):
            super().flush()


HELPING = "ftso.helping"
"""In the `meta` of a context whose help is written."""

WIDEST_TYPE = 20
"""Characters of the type of an option in help; longer choices stand in its text."""


class Command(TyperCommand):
    """A command whose help reads as that of most programs: CELL, not {CELL}; no <bool>; N, not <int range>."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.help = with_examples_listed(self.help or "")

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """The words behind `Usage:`."""
        return [piece.replace("{", "").replace("}", "") for piece in super().collect_usage_pieces(ctx)]

    def get_params(self, ctx: Any) -> list[Any]:
        """The arguments and options."""
        params = _with_short_types(super().get_params(ctx))
        return [_narrowed(param) for param in params] if HELPING in ctx.meta else params

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Writes the help."""
        ctx.meta[HELPING] = True
        super().format_help(ctx, formatter)


class Commands(TyperGroup):
    """The program: imports the command that is asked for, turns what goes wrong in it into one line and an exit status.

    A subclass lists the commands in `table`. Only the one that runs is imported, so that a small one starts fast.
    """

    table: ClassVar[Mapping[str, CommandEntry]] = {}

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = {
            name: TyperCommand(name, help=entry.summary, rich_markup_mode=MARKUP, rich_help_panel=entry.panel)
            for name, entry in self.table.items()
        }

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """The command that runs, whole where `commands` has only its name and summary; the rest of the arguments."""
        name, _, rest = super().resolve_command(ctx, args)
        if name is not None and self.table[name].parallel and not processes.process_rank().first:
            from ftso_cli.cli.console import leave_talk_to_first

            leave_talk_to_first()
        return name, None if name is None else self.table[name].load(name), rest

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Runs the program, also where a stream is closed or its encoding lacks signs: these become a `?`."""
        for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
            if getattr(sys, name) is None:
                setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")
        if isinstance(sys.stderr, io.TextIOWrapper) and sys.stderr is sys.__stderr__:
            sys.stderr = Remarks(sys.stderr.buffer, sys.stderr.encoding, "backslashreplace", line_buffering=True)
        if asked := os.environ.get(COMPLETING):
            from ftso_cli.cli.shells import answer

            answer(self, asked)
        # At the end Python looks for garbage among all that torch has made, which takes a fifth as long as its import.
        atexit.register(gc.freeze)
        return super().main(*args, **kwargs)

    def make_context(self, info_name: str | None, args: list[str], *others: Any, **settings: Any) -> Any:
        """Reads the options before the command; without any argument, the help is shown."""
        try:
            if not settings.get("resilient_parsing"):
                _refuse_empty(args)
            return super().make_context(info_name, args, *others, **settings)
        except KeyboardInterrupt:
            raise _interrupted() from None
        except BrokenPipeError:
            _give_up_stdout()
            raise typer.Exit(0) from None
        except OSError as error:
            # Help is printed here.
            _fail(_message(error))
            _give_up_stdout()
            raise typer.Exit(1) from None
        except Exception as error:
            if _is_wrong_use(error):
                raise _wrong_use(error) from None
            raise

    def invoke(self, ctx: Any) -> Any:
        """Runs the command: 1 for an error of the user's, 2 for wrong use, 130 for Ctrl-C; a traceback with --debug."""
        try:
            _check_folder()
            result = super().invoke(ctx)
            # Here and not at exit, so that a full disk or a closed pipe is met while it can be told.
            sys.stdout.flush()
            return result
        except KeyboardInterrupt:
            raise _interrupted() from None
        except BrokenPipeError:
            # The reader of our output has gone, as in `ftso genotypes | head`: nothing more to say to it.
            _give_up_stdout()
            raise typer.Exit(0) from None
        except Exception as error:
            if _is_wrong_use(error):
                raise _wrong_use(error) from None
            # Typer's own exceptions carry an exit status, all but Abort.
            if ctx.params.get("debug") or isinstance(error, typer.Abort) or hasattr(error, "exit_code"):
                raise
            _fail(_message(error))
            _give_up_stdout()
            raise typer.Exit(1) from None

    def get_params(self, ctx: Any) -> list[Any]:
        """The options."""
        return _with_short_types(super().get_params(ctx))


def _check_folder() -> None:
    """Raises `FileError` in a folder that has been removed, where no name without a folder can be found."""
    try:
        os.getcwd()
    except OSError:
        raise FileError("the current folder has been removed; change to one that is there, as by: cd") from None


MAY_BE_EMPTY = frozenset({"--title"})
"""Options whose empty value says something: no title."""


def _refuse_empty(args: list[str]) -> None:
    """Raises `BadParameter` for an empty argument or value: most often of a shell variable that is not set."""
    for before, word in zip(["", *args], args, strict=False):
        option = word[:-1] if word.startswith("--") and word.endswith("=") else ""
        if not word or option:
            what = option or (before if before.startswith("-") and before != "--" else "an argument")
            if what in MAY_BE_EMPTY:
                continue
            raise typer.BadParameter(f"{what} is empty; is a variable of the shell not set?")


def _interrupted() -> typer.Exit:
    """Says so; gives the exit."""
    from ftso_cli.cli.console import interrupted

    interrupted()
    return typer.Exit(INTERRUPTED)


def _fail(text: str) -> None:
    from ftso_cli.cli.console import fail

    fail(text)


def _is_wrong_use(error: Exception) -> bool:
    """Return True where Typer refuses the command line; the help of a bare `ftso` is raised too, but is none."""
    # BadParameter is the one of these classes that Typer exports.
    return isinstance(error, typer.BadParameter.__base__ or Exception) and type(error).__name__ != "NoArgsIsHelpError"


def _wrong_use(error: Any) -> typer.Exit:
    """Says on one line what is wrong with the command line; gives the exit, of status 2."""
    command = "ftso" if error.ctx is None else error.ctx.command_path
    if getattr(error, "possibilities", None) and error.ctx is not None:
        hidden = {name for param in error.ctx.command.params if getattr(param, "hidden", False) for name in param.opts}
        error.possibilities = [name for name in error.possibilities if name not in hidden]
    # Some versions of Typer leave in what pydantic writes before the reason.
    said = error.format_message().rstrip(".").replace(": Value error, ", ": ")
    _fail(f"{said}{' ' if said.endswith('?') else '; '}{command} --help shows how")
    return typer.Exit(error.exit_code)


def _message(error: Exception) -> str:
    if isinstance(error, FtsoError):
        return str(error)
    if _lacks_memory(error):
        return (
            "there is not enough memory for this; end other programs, or use smaller images, batches or networks "
            "(--image-size, --batch-size, --channels)"
        )
    if isinstance(error, OSError):
        return f"{error.filename or 'reading or writing failed'}: {error.strerror or error}"
    return f"a fault in ftso, not in your data: {type(error).__name__}: {error}; ftso --debug COMMAND shows where"


def _lacks_memory(error: Exception) -> bool:
    """Return True for a failed allocation: torch raises a `RuntimeError`, the loader of libraries another."""
    text = str(error)
    if isinstance(error, RuntimeError | ImportError | OSError):
        return any(sign in text for sign in OUT_OF_MEMORY)
    return isinstance(error, MemoryError)


def _give_up_stdout() -> None:
    """Drops what can't be written to stdout: Python would try once more at exit, and complain."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def with_examples_listed(text: str) -> str:
    """The help of a command with its examples one a line, to be read and copied."""
    about, head, calls = text.partition("Example")
    listed = "\n".join(f"- {call}" for call in re.findall(r"`[^`]+`", calls))
    return f"{about}{head}{calls.partition(':')[0]}:\n\n{listed}" if listed else text


def _with_short_types(params: list[Any]) -> list[Any]:
    """The parameters; what takes no value shows no type, nor does an argument, and a number within bounds is N."""
    for param in params:
        if param.param_type_name == "argument":
            param.display_type_rich = lambda ctx: None
        elif getattr(param, "is_flag", False):
            param.metavar = ""
        elif param.metavar is None and (getattr(param, "min", None), getattr(param, "max", None)) != (None, None):
            param.metavar = "N"
    return params


def _narrowed(param: Any) -> Any:
    """A parameter as help lists it, whose columns leave room for texts in 80 columns: --[no-]flip, no ranges."""
    param = copy(param)
    param._get_number_range_help_str = lambda: None
    if param.param_type_name == "argument":
        return param
    for on, off in zip(param.opts, param.secondary_opts, strict=False):
        param.opts = [f"--[no-]{on[2:]}" if off == f"--no-{on[2:]}" else f"{on}/{off}"]
        param.secondary_opts = []
    choices = [str(choice) for choice in param.type_descriptor.choices or ()]
    if param.metavar is None and len("|".join(choices)) > WIDEST_TYPE:
        param.display_type_rich = lambda ctx: "NAME"
        if not all(f"{choice}:" in param.help for choice in choices):
            param.help = f"{param.help} One of {', '.join(choices)}."
    return param
