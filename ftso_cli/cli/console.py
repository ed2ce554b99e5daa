"""What commands print: results on stdout, everything else on stderr, one JSON object with --json."""

import json
import sys
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape

err = Console(stderr=True, soft_wrap=True, highlight=False)


def say(text: str = "") -> None:
    """A line of result on stdout; rich markup is understood."""
    Console(soft_wrap=True, highlight=False).print(text)


def show(renderable: Any) -> None:
    """A table, a tree or another rich object on stdout."""
    Console(highlight=False).print(renderable)


def note(text: str) -> None:
    """A remark on stderr that is not a result."""
    err.print(f"[dim]{escape(text)}[/dim]")


def warn(text: str) -> None:
    """A warning on stderr."""
    err.print(f"[yellow]warning:[/yellow] {escape(text)}")


def fail(text: str) -> None:
    """An error on stderr, on one line."""
    err.print(f"[red]error:[/red] {escape(' '.join(text.split()))}")


def next_step(command: str) -> None:
    """The command that usually follows."""
    say(f"[dim]next:[/dim] {escape(command)}")


def print_json(result: Mapping[str, Any]) -> None:
    """One JSON object on stdout, for --json."""
    sys.stdout.write(json.dumps(result, ensure_ascii=False) + "\n")
