"""Reading and writing genotype files. What comes in is checked; what goes out is written in one piece."""

import codecs
import json
import sys
from pathlib import Path
from typing import Any, TextIO
from weakref import WeakKeyDictionary

from pydantic import ValidationError

from ftso_cli.errors import FileError, GenotypeError, short
from ftso_cli.files import read_bytes, write_atomic
from ftso_cli.genotype.schema import Genotype

SIZE_LIMIT = 16_000_000
"""Bytes; a genotype of a few cells has some thousand."""

PLAIN = {
    "extra_forbidden": "unknown field",
    "missing": "is missing",
    "too_short": "has too few entries",
    "too_long": "holds more than the {max_length} that are allowed",
}
"""Pydantic's error types, in words for users."""

OTHERS = "ftso import reads other formats"

LINE = 110
"""A JSON value that fits in so many characters stands on one line."""


_READ: WeakKeyDictionary[TextIO, bytes] = WeakKeyDictionary()
"""The content of standard input, which can be read once: a command may ask for its cell again."""


def read_genotype(path: Path) -> Genotype:
    """The genotype in `path`, or on standard input for `-`.

    Raises `FileError` where it can't be read and `GenotypeError`, with the place and the rule, where it is not valid.
    """
    if str(path) == "-":
        if sys.stdin not in _READ:
            _READ[sys.stdin] = sys.stdin.buffer.read(SIZE_LIMIT + 1)
        return parse_genotype(_READ[sys.stdin], "standard input")
    return parse_genotype(read_bytes(path, limit=SIZE_LIMIT), str(path))


def parse_genotype(content: bytes, where: str) -> Genotype:
    """The genotype in `content`; `where` names it in errors."""
    if len(content) > SIZE_LIMIT:
        raise FileError(f"{where}: larger than {SIZE_LIMIT // 1_000_000} MB, which no genotype is")
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise GenotypeError(f"{where}: is UTF-16 text; save it as UTF-8")
    # Some editors put a byte order mark before UTF-8.
    content = content.removeprefix(codecs.BOM_UTF8)
    if not content.strip():
        raise GenotypeError(f"{where}: is empty")
    try:
        return Genotype.model_validate_json(content)
    except ValidationError as error:
        raise GenotypeError(f"{where}: {_problem(error)}") from None


def _problem(error: ValidationError) -> str:
    """Return what is wrong with a file, or that it seems to be another tool's."""
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    others = [str(each["loc"][0]) for each in problems if each["type"] == "extra_forbidden" and len(each["loc"]) == 1]
    if others and any(each["type"] == "missing" and each["loc"] == ("format",) for each in problems):
        return f"is no genotype file of ftso: no format, but {short(', '.join(others))}; {OTHERS}"
    foreign = problems[0]["type"] == "json_invalid" or problems[0]["loc"] == ()
    return f"{describe_error(error)}; {OTHERS}" if foreign else describe_error(error)


def describe_error(error: ValidationError) -> str:
    """A validation error on one line: where, and what is wrong; the first of several."""
    problems = error.errors(include_url=False, include_input=False)
    first = problems[0]
    place = "".join(_place(part) for part in first["loc"]).lstrip(".")
    plain = PLAIN.get(first["type"], "").format(**first.get("ctx", {}))
    text = plain or first["msg"].removeprefix("Value error, ").replace("\n", " ")[:400]
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"{place}: {text}{more}" if place else f"{text}{more}"


def _place(part: int | str) -> str:
    """A step into the file: `.key`, or `[index]` and `['any other key']`, which may hold anything."""
    return f".{part}" if isinstance(part, str) and part.isidentifier() and len(part) <= 60 else f"[{short(part)}]"


def write_genotype(genotype: Genotype, path: Path) -> None:
    """Writes the genotype to `path`, or to standard output for `-`."""
    content = genotype_json(genotype).encode()
    if str(path) == "-":
        # Bytes, because a file is UTF-8 whatever the terminal is.
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
    else:
        write_atomic(path, content)


def genotype_json(genotype: Genotype) -> str:
    """The text of a genotype file: JSON, an edge a line, what equals its default left out."""
    return format_json(genotype.model_dump(mode="json", exclude_defaults=True)) + "\n"


def json_schema() -> dict[str, Any]:
    """The JSON Schema of genotype files."""
    schema = Genotype.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "ftso genotype"}


def _text(value: Any) -> str:
    """JSON text on one line, with invisible characters escaped."""
    text = json.dumps(value, ensure_ascii=False)
    return text if text.isprintable() else "".join(s if s.isprintable() else json.dumps(s)[1:-1] for s in text)


def format_json(value: Any, indent: str = "") -> str:
    """JSON text of `value`: what fits on a line stands on one, an edge for example."""
    line = _text(value)
    if not isinstance(value, dict | list) or len(line) + len(indent) <= LINE:
        return line
    inner = indent + "  "
    if isinstance(value, dict):
        items = [f"{_text(key)}: {format_json(item, inner)}" for key, item in value.items()]
        opening, closing = "{}"
    else:
        items = [format_json(item, inner) for item in value]
        opening, closing = "[]"
    return opening + ",".join(f"\n{inner}{item}" for item in items) + f"\n{indent}{closing}"
