"""Genotypes in the formats of other tools: what each can hold, and how a text's format is told from its content.

Every format is a module with `read` and `write`. What a format can't hold is an error where the network would be
another one, and else named in `lost`, never dropped in silence.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ftso_cli.errors import GenotypeError, SettingsError, short, unknown
from ftso_cli.genotype.formats import darts, edges, literal, naslib, nats, nni, node_link
from ftso_cli.genotype.formats.literal import GenotypeText
from ftso_cli.genotype.formats.plain import Plain
from ftso_cli.genotype.schema import Genotype, twice
from ftso_cli.spaces import DARTS, NATS, SPACES
from ftso_cli.spaces.nats import KIND

SIZE_LIMIT = 4_000_000
"""Bytes; two cells of 2048 edges, with everything measured, have about one million."""

TEXT_LIMIT = 1_000_000
"""Characters of Python text."""

DIALECTS = ("darts", "fairdarts")

Reader = Callable[[Any], Plain | Genotype]
Writer = Callable[[Genotype], tuple[str, list[str]]]


@dataclass(frozen=True, kw_only=True)
class Format:
    """One format: what it is called for people, how it is read and written, and whose spaces' cells it can hold."""

    title: str
    read: Reader
    write: Writer
    spaces: tuple[str, ...] = (DARTS.name,)


_ANY = tuple(SPACES)

FORMATS: Mapping[str, Format] = {
    "darts": Format(title="DARTS text", read=darts.read_cells, write=darts.write_cells),
    "nats": Format(title="NATS-Bench string", read=nats.read_cells, write=nats.write_cells, spaces=(NATS.name,)),
    "edges": Format(title="edge list", read=edges.read_cells, write=edges.write_cells, spaces=_ANY),
    "nni": Format(title="NNI dictionary", read=nni.read_cells, write=nni.write_cells),
    "naslib": Format(title="NASLib compact form", read=naslib.read_cells, write=naslib.write_cells),
    "node-link": Format(
        title="networkx node-link JSON", read=node_link.read_cells, write=node_link.write_cells, spaces=_ANY
    ),
}


@dataclass(frozen=True, kw_only=True)
class Imported:
    """A genotype from another format: the format's name, and what of the text is lost."""

    genotype: Genotype
    format: str
    lost: tuple[str, ...]


def format_called(name: str) -> Format:
    """The format called `name`; raises `SettingsError` where there is none."""
    if name not in FORMATS:
        raise SettingsError(unknown("format", name, FORMATS))
    return FORMATS[name]


def import_genotype_text(
    text: str, name: str | None = None, *, dialect: str = "darts", pick: str | None = None
) -> Imported:
    """The genotype in a text of the format `name` (default: as its content says).

    `dialect` is how entries of three in DARTS text are meant. `pick` chooses among several `Genotype(...)`: by
    name, or by number from 1, or from the end with -1. Raises `GenotypeError` with the reason a text can't be read.
    """
    if dialect not in DIALECTS:
        raise SettingsError(unknown("dialect", dialect, DIALECTS))
    fairdarts = dialect == "fairdarts"
    if fairdarts and name not in (None, "darts"):
        raise SettingsError(f"a dialect is one of DARTS text, and the format is {name}; leave one of the two out")
    content, found = _parse(text, pick)
    name = name or ("darts" if found is not None or fairdarts else _guess(content))
    made = darts.read_cells(content, fairdarts=True) if fairdarts else format_called(name).read(content)
    if isinstance(made, Genotype):
        return Imported(genotype=made, format=name, lost=())
    if found is not None and found.name != "genotype":  # as every search calls it that logs one
        made.name = found.name
    return Imported(genotype=made.genotype(), format=name, lost=tuple(made.lost))


def export_genotype_text(genotype: Genotype, name: str) -> tuple[str, tuple[str, ...]]:
    """The genotype as text of the format `name`, and what is lost; raises `GenotypeError` where it can't hold it."""
    chosen = format_called(name)
    if genotype.space not in chosen.spaces:
        others = ", ".join(other for other, one in FORMATS.items() if genotype.space in one.spaces)
        raise GenotypeError(f"is of the {genotype.space} space, which {chosen.title} can't hold; --format is {others}")
    text, lost = chosen.write(genotype)
    return text, tuple(lost)


def _parse(text: str, pick: str | None) -> tuple[Any, GenotypeText | None]:
    """The value in a text, and the `Genotype(...)` that it is from, if it is from one."""
    start = text.lstrip()[:1]
    if start == "{" and (content := _json(text)) is not None:
        return _nothing_to_pick(content, pick), None
    if len(text) > TEXT_LIMIT:
        raise GenotypeError(f"longer than {TEXT_LIMIT} characters, which no genotype is")
    if start == "|":
        return _nothing_to_pick(text, pick), None
    if found := literal.find_genotypes(text):
        chosen = _choose(found, pick, literal.find_aliases(text))
        return literal.genotype_fields(chosen), chosen
    if strings := [GenotypeText(name=None, text=match[0]) for match in nats.STRING.finditer(text)]:
        return _choose(strings, pick).text, None
    if start and start in "([{":
        return _nothing_to_pick(literal.literal(text), pick), None
    raise GenotypeError(f"no genotype in it; the formats are {', '.join(FORMATS)}")


def _nothing_to_pick(content: Any, pick: str | None) -> Any:
    if pick is not None:
        raise GenotypeError("holds one genotype, and nothing for --pick to choose from")
    return content


def _json(text: str) -> Any:
    """The value of JSON text, or None where it isn't JSON (a Python dictionary also starts with a brace)."""
    if len(text) > SIZE_LIMIT:
        raise GenotypeError(f"longer than {SIZE_LIMIT} characters, which no genotype is")
    try:
        found = json.loads(text)
    except ValueError:
        return None
    except RecursionError:
        raise GenotypeError("nested deeper than any genotype") from None
    if (key := twice(text)) is not None:
        raise GenotypeError(f"the key {short(key)} stands twice in one object")
    return found


def _choose(found: list[GenotypeText], pick: str | None, aliases: Mapping[str, str] | None = None) -> GenotypeText:
    """Return the genotype that is meant among several; `aliases` are other names of them."""
    if pick is None:
        if len(found) == 1:
            return found[0]
        names = [f"{number} {one.name or ''}".strip() for number, one in enumerate(found[:20], 1)]
        more = ", ..." if len(found) > 20 else ""
        raise GenotypeError(
            f"holds {len(found)} genotypes: {', '.join(names)}{more}; say which with --pick, -1 is the last"
        )
    if re.fullmatch(r"-?\d{1,6}", pick):
        number = int(pick)
        if not 1 <= abs(number) <= len(found):
            raise GenotypeError(f"holds {len(found)} genotypes, so --pick takes 1 to {len(found)}, not {pick}")
        return found[number - 1 if number > 0 else number]
    own = {one.name for one in found if one.name is not None}
    aliases = aliases or {}
    wanted = pick if pick in own else _resolved(pick, aliases)
    named = [one for one in found if one.name == wanted]
    if len(named) != 1:
        known = sorted(own | {name for name, other in aliases.items() if other in own})
        reason = f"{len(named)} of them, say which by number" if named else unknown("name", pick, known)
        raise GenotypeError(f"--pick {pick}: {reason}")
    return named[0]


def _resolved(name: str, aliases: Mapping[str, str]) -> str:
    """Return the name that an alias, or an alias of an alias, means."""
    passed: set[str] = set()
    while name in aliases and name not in passed:
        passed.add(name)
        name = aliases[name]
    return name


def _guess(content: Any) -> str:
    """The format of a value that is from no `Genotype(...)`."""
    if isinstance(content, str):
        return "nats"
    if isinstance(content, list):
        return "nats" if nats.is_nested(content) else "naslib"
    if str(content.get("format", "")).startswith("ftso-genotype"):
        raise GenotypeError("is a genotype file already, and needs no import")
    if any(nni.KEY.fullmatch(name) or nni.OLD_KEY.fullmatch(name) for name in content):
        return "nni"
    if any(isinstance(content.get(kind), dict) for kind in ("normal", KIND)):
        return "node-link"
    match content.get("normal"):
        # A pair is an entry of DARTS text, and a list in the list is the inputs of one node.
        case [[_, _], *_] | [[list(), *_], *_]:
            return "darts"
    return "edges"
