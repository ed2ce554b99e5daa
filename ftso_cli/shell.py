"""Commands of ftso as people paste them: every name is one word, no option, and nothing that a shell would run."""

import re

FILE, VALUE = "FILE", "VALUE"
"""What stands for a name with control or bidirectional characters, which a terminal might run or show as another."""


def command(verb: str, *arguments: object, **options: object) -> str:
    """The command `ftso VERB ARGUMENTS --OPTIONS`; of a true option only its name stands there, None is left out."""
    words = ["ftso", verb, *map(argument, arguments)]
    return " ".join([*words, *(option(name, value) for name, value in options.items() if value is not None)])


def argument(value: object) -> str:
    """A file, a folder or the name of a cell as a word that is taken for no option."""
    text = str(value)
    return quote(f"./{text}" if text.startswith("-") and text != "-" else text, FILE)


def option(name: str, value: object) -> str:
    """An option with its value, which is taken for no other option; several values have commas between."""
    flag = f"--{name.replace('_', '-')}"
    if value is True:
        return flag
    text = ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return f"{flag}={quote(text, VALUE)}" if text.startswith("-") else f"{flag} {quote(text, VALUE)}"


def quote(text: str, instead: str = VALUE) -> str:
    """`text` as one word of bash, zsh and fish alike; `instead` for one that can't be shown as it is."""
    if not text.isprintable():
        return instead
    # Zsh runs a search for a program where a word begins with an equals sign.
    if re.fullmatch(r"[\w@%+:,./-][\w@%+=:,./-]*", text, re.ASCII):
        return text
    # Within single quotes a backslash is one, but for fish; outside of them it is the same everywhere.
    return "'" + re.sub(r"['\\]", r"'\\\g<0>'", text) + "'"
