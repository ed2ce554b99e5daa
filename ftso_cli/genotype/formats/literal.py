"""Python literals out of other people's files: lists, tuples, dictionaries, `range(2, 6)` and `Genotype(...)`.

Nothing is evaluated. The text is first cut into the few tokens that a literal is made of, with bounds on their number
and on nesting, and only what passes is parsed with `ast`: its parser can be brought down by text that is deep enough.
"""

import ast
import keyword
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ftso_cli.errors import GenotypeError, short

TOKENS = 100_000
"""The most tokens of one literal; a cell with 2048 edges has about 20,000."""

DEPTH = 12
"""The deepest nesting of brackets; `Genotype(normal=[[(op, 0), ...], ...])` has four levels."""

DIGITS = 30
"""The longest number, in characters."""

NODES = 64
"""The longest range: that many nodes a cell can have."""

GENOTYPES = 10_000
"""The most `Genotype(...)` in one file; a search that logs one an epoch writes some hundred."""

FIELDS = ("normal", "normal_concat", "reduce", "reduce_concat")

POSITIONAL = (*FIELDS, "connectN", "connects")
"""The fields in the order that `Genotype` takes them in; the last two are those of GDAS and SETN."""

_TOKEN = re.compile(
    r"""(?P<blank>\s+|\#[^\n]*)
      | (?P<string>'[^'\\\n]*'|"[^"\\\n]*")
      | (?P<number>-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
      | (?P<name>[A-Za-z_]\w*)
      | (?P<opening>[(\[{])
      | (?P<closing>[)\]}])
      | (?P<sign>[,:=])""",
    re.VERBOSE | re.ASCII,
)
_ALIAS = re.compile(
    r"^[ \t]*([A-Za-z_]\w{0,99})[ \t]*=[ \t]*([A-Za-z_]\w{0,99})[ \t]*(?:#.*)?$", re.ASCII | re.MULTILINE
)
_GENOTYPE = re.compile(r"(?:\b([A-Za-z_]\w{0,99})[ \t]*[=:][ \t]*)?\bGenotype[ \t]*\(", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class GenotypeText:
    """One `NAME = Genotype(...)` in a text: its name, if it has one, and the text from `Genotype` on."""

    name: str | None
    text: str


def find_genotypes(text: str) -> list[GenotypeText]:
    """Every `Genotype(...)` in a text: a `genotypes.py`, the log of a search, or the literal alone."""
    found: list[GenotypeText] = []
    end = 0
    for match in _GENOTYPE.finditer(text):
        if match.start() < end or _is_no_value(text, match.start()):
            continue
        end = _end(text, match.end() - 1)
        found.append(GenotypeText(name=match[1], text="Genotype" + text[match.end() - 1 : end]))
        if len(found) > GENOTYPES:
            raise GenotypeError(f"holds more than {GENOTYPES} genotypes")
    return found


def _is_no_value(text: str, start: int) -> bool:
    """Return True where the line up to `start` is a comment or `class Genotype(NamedTuple)`."""
    before = text[max(0, start - 200) : start]
    line = before[before.rfind("\n") + 1 :]
    return line.lstrip().startswith("#") or line.endswith("class ")


def find_aliases(text: str) -> dict[str, str]:
    """The names that a text gives to others, as in `DARTS = DARTS_V2`; the last of several is the one that counts."""
    return {name: other for name, other in _ALIAS.findall(text) if not keyword.iskeyword(other)}


def genotype_fields(found: GenotypeText) -> dict[str, Any]:
    """Return the arguments of a `Genotype(...)` by name, as a dictionary would have them; tuples become lists."""
    call = _parse(found.text)
    if not isinstance(call, ast.Call) or len(call.args) > len(POSITIONAL):
        raise GenotypeError(f"Genotype takes {', '.join(POSITIONAL)}, not {short(found.text)}")
    fields = {name: _value(argument) for name, argument in zip(POSITIONAL, call.args, strict=False)}
    for argument in call.keywords:
        if argument.arg is None or argument.arg in fields:
            raise GenotypeError(f"Genotype takes {', '.join(FIELDS)} once each, not {short(argument.arg or '**')}")
        fields[argument.arg] = _value(argument.value)
    return fields


def literal(text: str) -> Any:
    """The value of a list, tuple or dictionary that is the whole text; tuples and ranges become lists."""
    text = text.strip()
    if not text or text[0] not in "([{" or _end(text, 0) < len(text):
        raise GenotypeError("is not one list, tuple or dictionary")
    return _value(_parse(text))


def _end(text: str, start: int) -> int:
    """The position behind the bracket that closes the one at `start`; raises `GenotypeError` for no literal."""
    depth, last = 0, ""
    for count, (kind, token, end) in enumerate(_tokens(text, start)):
        if kind == "opening":
            depth += 1
            if last in ("closing", "string", "number"):
                raise GenotypeError(f"{_line(text, end)}: calls or indexes a value, which no genotype does")
        elif kind == "closing":
            depth -= 1
        elif kind == "name" and keyword.iskeyword(token) and token not in ("None", "True", "False"):
            raise GenotypeError(f"{_line(text, end)}: has code in it ({token}), and only values are read")
        if depth == 0:
            return end
        if count > TOKENS or depth > DEPTH or (kind == "number" and len(token) > DIGITS):
            raise GenotypeError(f"{_line(text, end)}: longer or deeper than any genotype")
        last = kind
    raise GenotypeError(f"{_line(text, start)}: a bracket is opened and never closed")


def _tokens(text: str, start: int) -> Iterator[tuple[str, str, int]]:
    """Kind, text and end of every token from `start` on, blanks and comments left out."""
    at = start
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise GenotypeError(f"{_line(text, at)}: {short(text[at])} has no place in a genotype")
        at = match.end()
        if match.lastgroup != "blank":
            yield str(match.lastgroup), match[0], at


def _line(text: str, at: int) -> str:
    return f"line {text.count(chr(10), 0, at) + 1}"


def _parse(text: str) -> ast.expr:
    try:
        return ast.parse(text, mode="eval").body
    except SyntaxError as error:
        raise GenotypeError(f"is no Python literal: {error.msg}") from None
    except (ValueError, RecursionError, MemoryError):
        raise GenotypeError("is no Python literal") from None


def _value(node: ast.expr) -> Any:
    match node:
        case ast.Constant(value=None | bool() | int() | float() | str() as value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
            return -value
        case ast.List(elts=items) | ast.Tuple(elts=items):
            return [_value(item) for item in items]
        case ast.Dict(keys=keys, values=values):
            names = [_key(key) for key in keys]
            if len(set(names)) < len(names):
                raise GenotypeError(f"the key {short(Counter(names).most_common(1)[0][0])} stands twice in one object")
            return {name: _value(value) for name, value in zip(names, values, strict=True)}
        case ast.Call(func=ast.Name(id="range"), args=arguments, keywords=[]):
            return _range([_value(argument) for argument in arguments])
        case ast.Call(func=ast.Name(id="list" | "tuple"), args=[argument], keywords=[]):
            return _value(argument)
    raise GenotypeError(f"has {short(ast.unparse(node))} where a value is expected, and no code is run")


def _key(node: ast.expr | None) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    raise GenotypeError("has a dictionary with a key that is no text")


def _range(arguments: list[Any]) -> list[int]:
    if not 1 <= len(arguments) <= 2 or not all(isinstance(end, int) and 0 <= end <= NODES for end in arguments):
        raise GenotypeError(f"range takes one or two numbers from 0 to {NODES}, not {short(arguments)}")
    return list(range(*arguments))
