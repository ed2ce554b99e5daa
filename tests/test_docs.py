"""The documentation does what it says: its code runs, its commands exist, its pages are of today.

The rule, which a reader sees as well: a fenced block of `python` or `sh` is run, page by page, in order, in an empty
folder. One with a title that begins with "needs" or "takes" is not, and neither are the examples of docs/commands.md:
of these, and of indented blocks and of commands within text, every `ftso` line must be a command with these options.
"""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ftso_cli.cli.app import COMMANDS, app
from ftso_cli.genotype import Genotype
from ftso_cli.spaces import OPERATORS, SPACES
from tests.processes import HANG, ROOT, environment

DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md"))]

FENCE = re.compile(r'^```(\w+)(?: title="([^"]*)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`(ftso [a-z][^`]*)`")
SPARED = ("needs", "takes", "examples")
"""How the title of a block begins that is not run."""


@dataclass(frozen=True)
class Block:
    """A fenced block: what it is written in, its title, its text."""

    language: str
    title: str
    text: str

    @property
    def runs(self) -> bool:
        return self.language in ("python", "sh") and not self.title.startswith(SPARED)


def blocks(page: Path) -> list[Block]:
    return [Block(*found) for found in FENCE.findall(page.read_text(encoding="utf-8"))]


def lines(text: str) -> Iterator[str]:
    """The lines of a shell text; those that a backslash joins are one."""
    yield from filter(None, map(str.strip, text.replace("\\\n", " ").splitlines()))


def calls(line: str) -> Iterator[list[str]]:
    """The arguments of every call of ftso in a line, variables replaced by a number."""
    try:
        words = shlex.split(re.sub(r"\$\{?\w+\}?", "1", line), comments=True)
    except ValueError:
        return
    for at, word in enumerate(words):
        if word == "ftso" or word.endswith("/ftso"):
            rest = words[at + 1 :]
            end = next((index for index, each in enumerate(rest) if each in ("|", ">", "&&", ";", "||")), len(rest))
            yield [each.removesuffix(";") for each in rest[:end]]


def mentioned(page: Path) -> Iterator[list[str]]:
    """The arguments of every call of ftso on a page: in blocks, in indented text, within lines."""
    text = page.read_text(encoding="utf-8")
    for block in blocks(page):
        if block.language == "sh":
            for line in lines(block.text):
                yield from calls(line)
    prose = FENCE.sub("", text)
    for line in lines("\n".join(line for line in prose.splitlines() if line.startswith("    "))):
        yield from calls(line)
    for span in INLINE.findall(prose.replace("\n", " ")):
        yield from calls(span)


def check(args: list[str]) -> str | None:
    """What is wrong with a call, or None."""
    if not args or args[0].startswith("-") or args[0] == "COMMAND":
        return None
    if args[0] not in COMMANDS:
        return f"no command {args[0]}"
    if len(args) == 1 or "..." in args or "…" in args:
        return None
    try:
        COMMANDS[args[0]].load(args[0]).make_context(args[0], args[1:])
    except Exception as error:
        # A command that is only named with one of its options, as `ftso train --resume`, lacks the value.
        said = error.format_message() if hasattr(error, "format_message") else str(error)
        lacks = "Missing argument" in said or "Missing option" in said or "requires an argument" in said
        return None if lacks else said
    return None


def run_line(line: str, folder: Path) -> None:
    """Runs a line in the folder: a plain call of ftso in this process, anything else in a shell."""
    words = shlex.split(line, comments=True)
    if words and words[0] == "ftso" and not set(words) & {"|", ">", "&&", ";"}:
        done = CliRunner().invoke(app, words[1:])
        assert done.exit_code == 0, f"{line}\n{done.output}"
    else:
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        subprocess.run(["bash", "-ec", line], cwd=folder, env=environment({"PATH": path}), check=True, timeout=HANG)


@pytest.fixture
def as_before() -> Iterator[None]:
    """Operators and spaces that a page adds are gone afterwards."""
    tables: list[Any] = [OPERATORS, SPACES]
    kept = [dict(table) for table in tables]
    yield
    for table, was in zip(tables, kept, strict=True):
        table.clear()
        table.update(was)


@pytest.mark.parametrize("page", [page for page in PAGES if any(block.runs for block in blocks(page))], ids=str)
@pytest.mark.usefixtures("as_before")
def test_the_code_of_a_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": page.stem}
    for block in blocks(page):
        if not block.runs:
            continue
        if block.language == "python":
            exec(compile(block.text, page.name, "exec"), names)
        else:
            for line in lines(block.text):
                run_line(line, tmp_path)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_names_its_language_and_every_python_block_compiles(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert len(re.findall(r"^```", text, re.MULTILINE)) == 2 * len(blocks(page)), "a block without a language"
    for block in blocks(page):
        if block.language == "python":
            compile(block.text, page.name, "exec")
        if block.language == "json":
            json.loads(block.text)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_a_page_mentions_exists_with_its_options(page: Path) -> None:
    wrong = {" ".join(args): problem for args in mentioned(page) if (problem := check(args))}
    assert wrong == {}


def test_the_example_of_a_genotype_file_is_one() -> None:
    (example,) = [block for block in blocks(DOCS / "genotype.md") if block.language == "json"]
    assert Genotype.model_validate_json(example.text).stage == "complete"


def test_a_call_that_does_not_exist_would_be_noticed(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "`ftso prun x` and\n\n    ftso draw x --colour red   # no\n\n```sh\nftso cost x --setting mars | cat\n```\n"
    )
    assert [bool(check(args)) for args in mentioned(page)] == [True, True, True]


def test_the_page_of_commands_is_of_today() -> None:
    code = (
        "import sys; sys.path.insert(0, 'docs'); import generate_commands; sys.stdout.write(generate_commands.page())"
    )
    made = subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, env=environment(), text=True)
    assert made == (DOCS / "commands.md").read_text(encoding="utf-8"), "run: python docs/generate_commands.py"


def test_every_page_is_in_the_navigation() -> None:
    nav = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").split("\nnav:")[1]
    assert set(re.findall(r"(\S+\.md)$", nav, re.MULTILINE)) == {page.name for page in DOCS.glob("*.md")}


def test_links_between_pages_and_to_files_lead_somewhere() -> None:
    gone = []
    for page in PAGES:
        prose = FENCE.sub("", page.read_text(encoding="utf-8"))
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", prose):
            if "://" not in target and not (page.parent / target).exists():
                gone.append(f"{page.name}: {target}")
    assert gone == []


NOTEBOOK = json.loads((DOCS / "notebook.ipynb").read_text(encoding="utf-8"))


def test_the_notebook_holds_no_outputs() -> None:
    code = [cell for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]
    assert code and all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)


def test_the_notebook_runs_and_shows_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a kernel would: the last line of a cell is shown, genotypes and pictures as svg."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    pictures = 0
    for cell in NOTEBOOK["cells"]:
        if cell["cell_type"] != "code":
            continue
        *before, last = "".join(cell["source"]).split("\n")
        exec("\n".join(before), names)
        try:
            shown = eval(last, names)
        except SyntaxError:
            exec("\n".join([*before, last]) if last.startswith(" ") else last, names)
            continue
        pictures += "<svg" in (shown._repr_svg_() if hasattr(shown, "_repr_svg_") else "")
    assert pictures == 3
