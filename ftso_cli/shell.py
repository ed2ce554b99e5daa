"""Commands of ftso to be pasted into a shell: every name is one word, is no option, and runs nothing."""

import re

FILE, VALUE = "FILE", "VALUE"
"""Placeholders for a name with control or bidirectional characters, which can't be shown and pasted as it is."""


def command_line(verb: str, *arguments: object, **options: object) -> str:
    """The command `ftso VERB ARGUMENTS --OPTIONS`; true is --FLAG, false is --no-FLAG, and None is left out."""
    words = ["ftso", verb, *map(argument, arguments)]
    return " ".join([*words, *(option(name, value) for name, value in options.items() if value is not None)])


def argument(value: object) -> str:
    """A file, a folder or the name of a cell as one word that can't be taken for an option."""
    text = str(value)
    return quote(f"./{text}" if text.startswith("-") and text != "-" else text, FILE)


def option(name: str, value: object) -> str:
    """An option with its value, which can't be taken for another option; several values are joined by commas."""
    flag = f"--{name.replace('_', '-')}"
    if isinstance(value, bool):
        return flag if value else f"--no-{flag[2:]}"
    text = ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return f"{flag}={quote(text, VALUE)}" if text.startswith("-") else f"{flag} {quote(text, VALUE)}"


def quote(text: str, instead: str = VALUE) -> str:
    """`text` as one word for bash, zsh and fish alike; `instead` where it can't be shown as it is."""
    if not text.isprintable():
        return instead
    # Zsh runs a search for a program where a word begins with an equals sign.
    if re.fullmatch(r"[\w@%+:,./-][\w@%+=:,./-]*", text, re.ASCII):
        return text
    # Within single quotes a backslash is one, but for fish; outside of them it is the same everywhere.
    return "'" + re.sub(r"['\\]", r"'\\\g<0>'", text) + "'"
