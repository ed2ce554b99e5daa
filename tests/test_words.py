"""Commands, docs and glossary use the same names, sentences are short, and docstrings first say what a thing is."""

import ast
import dataclasses
import importlib
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import ftso_cli
from ftso_cli.cli.app import COMMANDS
from ftso_cli.genotype import library
from tests.processes import ROOT
from tests.test_docs import DOCS, FENCE, PAGES

GLOSSARY = DOCS / "glossary.md"

SPAN = re.compile(r"`([^`\n]+)`")

OPENS_WITH_A_CLAUSE = re.compile(r"(Those|That|What|Whether|So many|Which|Where|How|Who)\b")
"""How no docstring begins: with a relative clause, or a riddle."""

REPLACED = {
    "by lot": "at chance",
    "is a draw": "depends on its seed",
    "beside chance": "against the chance level",
    "heat of": "rung of",
    "learning speed": "learning rate",
}
"""Words that no page uses, with the term of the glossary that says the same."""


PROTOCOLS = {
    "read_cells": "the reader of a format of other tools",
    "write_cells": "the writer of a format of other tools",
}
"""Public names that several modules define, for each does the same in its own way."""

EXAMPLES = {"--first", "--last"}
"""Options of the command that docs/extend.md makes as an example."""


def options() -> set[str]:
    """Every flag of every command, as the generated page lists them, and those of Typer."""
    rows = re.findall(r"^\| (`-.*?) \|", (DOCS / "commands.md").read_text(encoding="utf-8"), re.MULTILINE)
    return {"--help", "--install-completion"} | {flag for row in rows for flag in re.findall(r"--[\w-]+", row)}


def terms() -> list[tuple[str, str, list[str]]]:
    """The rows of the glossary: term, meaning, and the names of where it is defined."""
    rows = re.findall(r"^\| (.+?) \| (.+?) \| (.+?) \|$", GLOSSARY.read_text(encoding="utf-8"), re.MULTILINE)
    return [(term, meaning, SPAN.findall(where)) for term, meaning, where in rows if term != "term"]


def exists(name: str) -> bool:
    """Return True for an option, a command, a published cell, or a dotted path into ftso_cli."""
    if name.startswith("--"):
        return name in options()
    if name.startswith("ftso_cli."):
        return defined(name)
    return name in COMMANDS or name in library.files()


def defined(path: str) -> bool:
    """Return True where a dotted path leads to a module, an attribute, or a field."""
    parts = path.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            fields = {field.name for field in dataclasses.fields(found)} if dataclasses.is_dataclass(found) else set()
            if part in fields | set(getattr(found, "model_fields", ())):
                return True
            if not hasattr(found, part):
                return False
            found = getattr(found, part)
        return True
    return False


def test_every_term_of_the_glossary_is_defined_once_and_where_it_says() -> None:
    rows = terms()
    assert len(rows) >= 60
    names = [term for term, _, _ in rows]
    assert sorted(set(names)) == sorted(names)
    assert {term: name for term, _, where in rows for name in where if not exists(name)} == {}
    assert [term for term, _, where in rows if not where] == []


def test_a_name_that_does_not_exist_would_be_noticed() -> None:
    wrong = ("--weight-speed", "ftso_cli.genotype.schema.Edge.gamma", "ftso_cli.nothing", "serch", "pc_dart")
    assert [exists(name) for name in wrong] == [False] * len(wrong)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_option_that_a_page_mentions_exists(page: Path) -> None:
    prose = FENCE.sub("", page.read_text(encoding="utf-8"))
    mentioned = {
        span.split()[0].split("=")[0] for span in SPAN.findall(prose.replace("/--", "` `--")) if span.startswith("--")
    }
    assert mentioned - options() - EXAMPLES == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_uses_the_terms_of_the_glossary(page: Path) -> None:
    text = " ".join(page.read_text(encoding="utf-8").lower().split())
    assert {old: new for old, new in REPLACED.items() if old in text} == {}


MOST_WORDS = 16_000
LONGEST_MEAN = 18


def written_pages() -> list[Path]:
    """The README and the pages of the documentation that are written by hand."""
    return [page for page in PAGES if page.name not in ("CONTRIBUTING.md", "commands.md")]


def sentences(page: Path) -> list[list[str]]:
    """The words of each sentence of running text and lists; code, tables, headings and pictures left out."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    lines = [line for line in text.split("\n") if not line.startswith(("|", "    ", "#", ":::", "!["))]
    prose = re.sub(r"\]\([^)]*\)", "]", "\n".join(lines))
    paragraphs = re.split(r"\n\s*\n|\n(?=\* |- |\d\. )", prose)
    found = [sentence for paragraph in paragraphs for sentence in re.split(r"(?<=[.?!:])\W*\s", paragraph)]
    return [words for sentence in found if (words := re.findall(r"\S*\w\S*", sentence))]


def test_the_documentation_is_short() -> None:
    assert sum(len(page.read_text(encoding="utf-8").split()) for page in written_pages()) <= MOST_WORDS


@pytest.mark.parametrize("page", written_pages(), ids=lambda page: page.name)
def test_the_sentences_of_a_page_are_short(page: Path) -> None:
    lengths = [len(words) for words in sentences(page)]
    assert sum(lengths) < LONGEST_MEAN * len(lengths)


def test_sentences_are_counted_without_code_tables_and_links(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# Head\n\nOne two. Three [four](five.md#six) - seven?\n\n```sh\nftso x\n```\n\n| a | b |\n\n* Eight.\n* Nine\n"
    )
    assert [len(words) for words in sentences(page)] == [2, 3, 1, 1]


def docstrings(path: Path) -> Iterator[tuple[int, str]]:
    """The docstrings of a module, its classes, functions and assigned names, with their lines."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            continue
        if text := ast.get_docstring(node):
            yield node.body[0].lineno, text
        for before, after in zip(node.body, node.body[1:], strict=False):
            match before, after:
                case ast.Assign() | ast.AnnAssign(), ast.Expr(value=ast.Constant(value=str(text))):
                    yield after.lineno, text


def test_no_docstring_opens_with_a_relative_clause() -> None:
    package = ROOT / "ftso_cli"
    wrong = [
        f"{path.relative_to(package)}:{line}: {text.splitlines()[0]}"
        for path in sorted(package.rglob("*.py"))
        for line, text in docstrings(path)
        if OPENS_WITH_A_CLAUSE.match(text)
    ]
    assert wrong == []


def public_names() -> dict[str, list[str]]:
    """The modules that define each public class and function at module level."""
    found = defaultdict(list)
    for path in sorted((ROOT / "ftso_cli").rglob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
                found[node.name].append(".".join(path.relative_to(ROOT).with_suffix("").parts))
    return found


def is_command_of(name: str, modules: list[str]) -> bool:
    """Return True for a command and the Python function with the same options."""
    commands = [module for module in modules if module.startswith("ftso_cli.cli.commands.")]
    return name in ftso_cli.__all__ and len(commands) == 1 and len(modules) == 2


def test_no_public_name_has_two_meanings() -> None:
    shared = {name: modules for name, modules in public_names().items() if len(modules) > 1}
    assert PROTOCOLS.keys() <= shared.keys()
    assert {
        name: where for name, where in shared.items() if name not in PROTOCOLS and not is_command_of(name, where)
    } == {}
