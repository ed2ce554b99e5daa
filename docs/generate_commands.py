"""Writes docs/commands.md from the functions that the commands are made of: python docs/generate_commands.py

Read from their signatures, not from what `--help` prints: that changes with every version of Typer and of the terminal.
"""

import inspect
import re
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from ftso_cli.cli.app import COMMANDS, GROUPS, ftso

PAGE = Path(__file__).with_name("commands.md")

HEAD = """# Commands

What `ftso COMMAND --help` says, for every command. `python docs/generate_commands.py` makes this page, and a test fails
where it is older than the commands.

"""


def page() -> str:
    """The whole page."""
    overview = ["| command | what it does |", "|---|---|"]
    for group, entries in GROUPS.items():
        rows = [f"| [`{name}`](#{name}) | {entry.summary} |" for name, entry in entries.items()]
        overview += [f"| **{group}** | |", *rows]
    overview += ["", "Options before the command:", "", *_table([row for _, row in _parameters(ftso)])]
    sections = [part for name in COMMANDS for part in _sections(name)]
    return HEAD + "\n".join([*overview, "", *sections]).rstrip() + "\n"


def _sections(name: str) -> Iterator[str]:
    """A command, or a group of them one after another."""
    functions = COMMANDS[name].functions(name)
    if name not in functions:
        yield f"## {name}\n\n{COMMANDS[name].summary}\n"
    for call, function in functions.items():
        yield _section(call, function, "##" if call == name else "###")


def _section(name: str, command: Callable[..., Any], level: str) -> str:
    """A command: what it does, its examples, its arguments and options."""
    text, _, examples = (inspect.getdoc(command) or "").partition("Example")
    calls = re.findall(r"`([^`]+)`", examples.replace("\n", " "))
    lines = [f"{level} {name}", "", text.strip(), "", '```sh title="examples"', *calls, "```", ""]
    panels: dict[str, list[str]] = {}
    for panel, row in _parameters(command):
        panels.setdefault(panel, []).append(row)
    for panel, rows in panels.items():
        lines += [f"**{panel}**", "", *_table(rows), ""]
    return "\n".join(lines)


def _table(rows: list[str]) -> list[str]:
    return ["| | |", "|---|---|", *rows]


def _parameters(command: Callable[..., Any]) -> Iterator[tuple[str, str]]:
    """Every argument and option: the panel that it stands in, and its row."""
    for parameter in inspect.signature(command, eval_str=True).parameters.values():
        kind, *about = get_args(parameter.annotation) or (parameter.annotation,)
        info = next((each for each in about if hasattr(each, "param_decls")), None)
        if info is None or info.hidden:
            continue
        argument = type(info).__name__ == "ArgumentInfo"
        panel = "Arguments" if argument else info.rich_help_panel or "Options"
        default = _default(info.show_default, parameter.default)
        text = (info.help or "").replace("|", "\\|") + (f" Default: {default}." if default else "")
        yield panel, f"| {_names(info, parameter.name, kind, argument)} | {text} |"


def _names(info: Any, name: str, kind: Any, argument: bool) -> str:
    value = info.metavar or _type(kind)
    if argument:
        return f"`{value}...`" if get_origin(_given(kind)) is list else f"`{value}`"
    # Within Annotated, Typer takes the first name as the place of the default.
    declared = [decl for decl in (info.default, *(info.param_decls or ())) if str(decl).startswith("-")]
    names = declared or [f"--{name.replace('_', '-')}"]
    shown = ", ".join(f"`{each}`" for each in names)
    return f"{shown} {value}".strip() if "`" in value or not value else f"{shown} `{value}`"


def _given(kind: Any) -> Any:
    """The type without None."""
    if get_origin(kind) in (types.UnionType, Union):
        return next(each for each in get_args(kind) if each is not type(None))
    return kind


def _type(kind: Any) -> str:
    """How a value of this type is written."""
    kind = _given(kind)
    if get_origin(kind) is list:
        return _type(get_args(kind)[0])
    if get_origin(kind) is Literal:
        return " ".join(f"`{choice}`" for choice in get_args(kind))
    return {int: "N", float: "NUMBER", bool: "", Path: "PATH"}.get(kind, "TEXT")


def _default(shown: Any, value: Any) -> str:
    if isinstance(shown, str):
        return shown
    plain = isinstance(value, str | int | float) and not isinstance(value, bool)
    return str(getattr(value, "value", value)) if shown and plain else ""


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
