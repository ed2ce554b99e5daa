"""Printing: results on stdout, everything else on stderr, one JSON object with --json."""

import json
import math
import shutil
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.markup import escape

from ftso_cli import processes, shell

err = Console(stderr=True, soft_wrap=True, highlight=False, emoji=False)

PATIENCE = 5.0
"""Seconds in which `torchrun` ends the other processes once the first has failed."""


def leave_talk_to_first() -> None:
    """From here on this process says nothing but errors of its own: the first of those that work together talks."""
    err.quiet = True


def out() -> Console:
    """Return the console for stdout; text keeps its line breaks and gets no others."""
    return Console(soft_wrap=True, highlight=False, emoji=False, quiet=err.quiet)


def say(*lines: str) -> None:
    """Lines of result on stdout, as they are; without any, an empty one."""
    out().print("\n".join(map(plain, lines)))


def aligned(rows: Sequence[Sequence[str]], left: Sequence[bool], gap: str) -> list[str]:
    """The rows as lines of columns with `gap` between them, each column to the left or to the right."""
    rows = [list(map(visible, row)) for row in rows]
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        blanks = [" " * (width - cell_len(text)) for text, width in zip(row, widths, strict=True)]
        cells = [text + blank if flush else blank + text for text, blank, flush in zip(row, blanks, left, strict=True)]
        lines.append(gap.join(cells).rstrip())
    return lines


def clipped(text: str, width: int) -> str:
    """`text` in at most so many columns of a terminal, without its middle where it is longer."""
    shown = visible(text)
    if cell_len(shown) <= width:
        return shown
    tail = (width - 1) // 2
    return f"{set_cell_size(shown, width - 1 - tail)}…{set_cell_size(shown[::-1], tail)[::-1]}"


def show(renderable: Any, *, on_stderr: bool = False) -> None:
    """A table, a tree or another rich object on stdout, or on stderr where it is not a result."""
    Console(stderr=on_stderr, highlight=False, emoji=False, quiet=err.quiet).print(renderable)


def terminal_width() -> int:
    """The columns of the terminal on stdout; without end in a file or a pipe."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else sys.maxsize


def stack(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Rows one below the other, a line for each of their values, for a terminal that is too narrow for a table."""
    width = max(map(len, headings))
    for first, *values in rows:
        if first:
            say(f"{headings[0]} {first}" if first.isdigit() else first)
        for heading, value in zip(headings[1:], values, strict=True):
            if value:
                say(f"  {heading:<{width}}  {value}")


def note(text: str) -> None:
    """A remark on stderr that is not a result."""
    err.print(f"[dim]{plain(text)}[/dim]")


def warn(text: str) -> None:
    """A warning on stderr."""
    err.print(f"[yellow]warning:[/yellow] {plain(text)}")


def fail(text: str) -> None:
    """An error on stderr, on one line.

    Of several processes the first says what goes wrong in all of them. Another one speaks where it is the only one that
    failed, which shows in that it is still there after a while.
    """
    if err.quiet:
        time.sleep(PATIENCE)
        err.quiet, text = False, f"process {processes.process_rank().rank}: {text}"
    err.print(f"[red]error:[/red] {plain(' '.join(text.split()))}")


def interrupted() -> None:
    """The line after Ctrl-C."""
    err.print("[red]error:[/red] interrupted")


def next_step(verb: str, *arguments: object, **options: object) -> None:
    """The command that usually follows, ready to be pasted."""
    out().print(f"[dim]next:[/dim] {plain(shell.command_line(verb, *arguments, **options))}")


def print_json(result: Mapping[str, Any]) -> None:
    """One JSON object on stdout, for --json; a number that is not finite is null, for JSON has none."""
    if not err.quiet:
        sys.stdout.write(json.dumps(_finite(result), allow_nan=False) + "\n")


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(inner) for key, inner in value.items()}
    return [_finite(inner) for inner in value] if isinstance(value, list | tuple) else value


def visible(text: str) -> str:
    """`text` on one line, with line breaks, terminal codes and other invisible characters escaped."""
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)


def plain(text: str) -> str:
    """`text` as rich markup of itself: a file's name is no markup, breaks no line and sends the terminal no codes."""
    return escape(visible(text))
