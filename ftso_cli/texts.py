"""Text that others wrote (names of classes and settings, titles, notes), made ready for each kind of output.

one_line        for any output: control and bidirectional characters become a mark
csv_table       for spreadsheets, which evaluate a cell that begins like a formula
markdown_table  for Markdown, which reads HTML and characters of its own as markup
duration        seconds for people
page_text       for pages that are sent to others, without absolute paths

The terminal has `cli.console.plain`, shells have `shell.quote`, matplotlib `drawing.plots.drawn`.
"""

import csv
import html
import io
import re
import unicodedata
from collections.abc import Sequence
from pathlib import PurePosixPath, PureWindowsPath

MARK = "\ufffd"
"""Stands for an invisible character."""

_JOINERS = "\u200c\u200d"
"""Invisible as well, but Persian, Indian languages and emoji need them."""

_FORMULAS = "=+-@\uff1d\uff0b\uff0d\uff20"
"""Characters that a formula begins with, their full-width forms among them."""

_NAME = r"[^\s/\\:'\"`,;()<>|]"
_PATH = re.compile(rf"(https?://\S*)|(?<![\w.~/\\-])(?:file:/*|[A-Za-z]:)?[/\\](?:{_NAME}+[/\\])+(?={_NAME})")
"""An address, which stays, or the folders of an absolute path, up to its last name."""


def one_line(text: str) -> str:
    """`text` on one line: control, bidirectional, private and unassigned characters are marks, blanks plain blanks."""
    return "".join(map(_seen, text))


def printable_lines(text: str) -> str:
    """`text` with `one_line` applied to each of its lines."""
    return "\n".join(map(one_line, text.split("\n")))


def _seen(sign: str) -> str:
    if sign.isprintable() or sign in _JOINERS:
        return sign
    return " " if unicodedata.category(sign) == "Zs" else MARK


def page_text(text: str) -> str:
    """`text` for a page that is sent: invisible characters are marked, absolute paths cut to their last name."""
    return _PATH.sub(lambda found: found[1] or "", printable_lines(text))


def format_duration(seconds: float) -> str:
    """Return seconds to three digits, in the unit that people take."""
    if seconds < 120:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.3g} min" if seconds < 7200 else f"{seconds / 3600:.3g} h"


def last_name(path: str) -> str:
    """A path as others may see it: unchanged where it is relative, cut to its last name where it is absolute."""
    for kind in (PurePosixPath, PureWindowsPath):
        if kind(path).is_absolute():
            return kind(path).name or path
    return path


def csv_table(rows: Sequence[Sequence[str]]) -> str:
    """Rows as comma-separated values; a cell that a spreadsheet would read as a formula gets a quote in front."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([csv_cell(cell) for cell in row] for row in rows)
    return text.getvalue()


def csv_cell(text: str) -> str:
    """Return `text` as a cell of a table: on one line, with a quote in front of what a spreadsheet would evaluate."""
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
