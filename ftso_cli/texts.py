"""Text that others wrote (names of classes and settings, titles, notes), made ready for each kind of output.

one_line        for any output: what can't be seen, or turns the direction of writing, is a mark
csv_table       for spreadsheets, which run a cell that begins as a formula
markdown_table  for Markdown, which takes HTML and signs of its own for markup
page_text       for pages that are sent: no absolute path is left

The terminal has `cli.console.plain`, shells have `shell.quote`, matplotlib `drawing.plots.plain_text`.
"""

import csv
import html
import io
import re
import unicodedata
from collections.abc import Sequence
from pathlib import PurePosixPath, PureWindowsPath

MARK = "\ufffd"
"""Stands for a sign that can't be seen."""

_JOINERS = "\u200c\u200d"
"""Unseen as well, but Persian, Indian languages and emoji are written with them."""

_FORMULAS = "=+-@\uff1d\uff0b\uff0d\uff20"
"""Signs that a formula begins with, those of East Asian width among them."""

_NAME = r"[^\s/\\:'\"`,;()<>|]"
_PATH = re.compile(rf"(?<![\w.~:/\\-])(?:[A-Za-z]:)?[/\\](?:{_NAME}+[/\\])+(?={_NAME})")
"""The folders of an absolute path, up to its last name."""


def one_line(text: str) -> str:
    """`text` on one line: a mark for each control, bidirectional, private or unknown sign, a blank for any blank."""
    return "".join(map(_seen, text))


def lines(text: str) -> str:
    """`text` as `one_line` has it, line by line."""
    return "\n".join(map(one_line, text.split("\n")))


def _seen(sign: str) -> str:
    if sign.isprintable() or sign in _JOINERS:
        return sign
    return " " if unicodedata.category(sign) == "Zs" else MARK


def page_text(text: str) -> str:
    """`text` for a page that is sent to others: what can't be seen is a mark, an absolute path only its last name."""
    return _PATH.sub("", lines(text))


def last_name(path: str) -> str:
    """A path as others may see it: as it is where it is relative, its last name where it is absolute."""
    for kind in (PurePosixPath, PureWindowsPath):
        if kind(path).is_absolute():
            return kind(path).name or path
    return path


def csv_table(rows: Sequence[Sequence[str]]) -> str:
    """Rows as comma-separated values; a quote before what a spreadsheet would take for a formula, as those advise."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([_csv_cell(cell) for cell in row] for row in rows)
    return text.getvalue()


def _csv_cell(text: str) -> str:
    seen = one_line(text)
    return f"'{seen}" if seen.lstrip().startswith(tuple(_FORMULAS)) and not _is_number(seen) else seen


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    """Rows as a table of Markdown, the first of them its head; all columns but the first to the right."""
    head, *others = ["| " + " | ".join(map(_markdown_cell, row)) + " |" for row in rows]
    rule = "|" + "|".join(["---", *["---:"] * (len(rows[0]) - 1)]) + "|"
    return "\n".join([head, rule, *others]) + "\n"


def _markdown_cell(text: str) -> str:
    """`text` as itself: no HTML, no sign of markup, no mathematics."""
    escaped = re.sub(r"[\\`*\[\]|~$#]|(?<![^\W_])_|_(?![^\W_])", r"\\\g<0>", one_line(text))
    return html.escape(escaped, quote=False)
