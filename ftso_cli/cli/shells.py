"""Answers to a shell that completes a word: candidates, names of files among them, escaped as that shell reads them.

Typer's own answers are put into the command line as they are (bash), or evaluated (zsh), so a file that is named
`$(command)` would run it. The scripts that `--install-completion` installs are Typer's, and stay.
"""

import os
import re
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import typer

Word = tuple[str, str]
"""A candidate for a word, and its description, which may be empty."""


def answer(program: Any, asked: str) -> None:
    """Prints the answer, and ends the process; does nothing for a shell, or a question, that is Typer's."""
    if asked == "complete_bash":
        words, quote = _split(os.environ.get("COMP_WORDS", ""))
        at = int(os.environ.get("COMP_CWORD", "0"))
        *before, word = [*words, *[""] * (at + 1 - len(words))][: at + 1]
        # Within quotes the shell goes on with files by itself, and closes them.
        found = [] if quote else _completions(program, before, word)
        _end("\n".join(_bash(value) for value, _ in found))
    elif asked in ("complete_zsh", "complete_fish"):
        *before, word = _split(os.environ.get("_TYPER_COMPLETE_ARGS", ""))[0]
        found = _completions(program, before, word)
        if asked == "complete_zsh":
            _end(_zsh(found))
        shown = [value if not about else f"{value}\t{about}" for value, about in found if value.isprintable()]
        if os.environ.get("_TYPER_COMPLETE_FISH_ACTION") == "is-args":
            sys.exit(0 if shown else 1)
        _end("\n".join(shown))


def _end(text: str) -> None:
    sys.stdout.write(f"{text}\n" if text else "")
    sys.stdout.flush()
    sys.exit(0)


def _completions(program: Any, before: list[str], word: str) -> list[Word]:
    """Candidates for the last word of a command line."""
    # Typer brings a copy of click's sources in some versions, and imports click in others.
    module: Any = import_module(f"{typer.BadParameter.__module__.rpartition('.')[0]}.shell_completion")
    unused: Mapping[str, Callable[..., Any]] = dict.fromkeys(
        ("source_vars", "get_completion_args", "format_completion"), lambda *_: None
    )
    asking = type("Asking", (module.ShellComplete,), dict(unused))(program, {}, "ftso", "_FTSO_COMPLETE")
    found = asking.get_completions(before[1:], word)
    words = [(str(item.value), " ".join(str(item.help or "").split())) for item in found]
    # What is not UTF-8 can't be printed.
    return [(value, about) for value, about in words if not re.search("[\ud800-\udfff]", value)]


def _split(line: str) -> tuple[list[str], str]:
    """The words of a line that is still typed, the last of them perhaps empty, and the quote open in the end."""
    words: list[str] = []
    word, quote, escaped = "", "", False
    for sign in line:
        if escaped:
            word, escaped = word + sign, False
        elif sign == "\\" and quote != "'":
            escaped = True
        elif sign == quote or (not quote and sign in "'\""):
            quote = "" if quote else sign
        elif sign.isspace() and not quote:
            words, word = [*words, word] if word else words, ""
        else:
            word += sign
    return [*words, word], quote


def _bash(value: str) -> str:
    """A word as bash reads it again, on one line."""
    parts = (
        sign if re.match(r"[\w@%+=:,./-]", sign) else f"\\{sign}" if sign.isprintable() else f"$'{_number(sign)}'"
        for sign in value
    )
    return "".join(parts)


def _zsh(found: list[Word]) -> str:
    """Code for zsh to evaluate that adds the candidates; no word of it holds a blank, at which zsh would split it."""
    if not found:
        return "_files"
    names = " ".join(_evaluated(value) for value, _ in found)
    if not any(about for _, about in found):
        return f"compadd -- {names}"
    width = max(len(value) for value, _ in found)
    shown = " ".join(_evaluated(f"{value:<{width}}  {about}".rstrip()) for value, about in found)
    return f"local -a names shown; names=({names}); shown=({shown}); compadd -l -d shown -a -- names"


def _evaluated(value: str) -> str:
    return "$'" + "".join(sign if re.match(r"[\w./-]", sign) else _number(sign) for sign in value) + "'"


def _number(sign: str) -> str:
    """A character by its code point, for the quotes $'...' of bash and zsh."""
    return f"\\x{ord(sign):02x}" if ord(sign) < 128 else f"\\u{ord(sign):04x}" if ord(sign) < 65536 else sign
