"""Commands to be pasted: the shells that are here read every name as the one word that it is."""

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from ftso_cli.cli.app import app
from ftso_cli.genotype import Genotype, storage
from ftso_cli.shell import command_line, option, quote

NAMES = (
    "plain.json",
    "two  words.json",
    "a;touch X;.json",
    "$(touch X).json",
    "`touch X`.json",
    "it's.json",
    'say "hi".json',
    "\\'$(touch X)\"'.json",
    "back\\slash\\\\.json",
    "=ls",
    "~root",
    "{a,b}*[c]?.json",
    "!!.json",
    "# no comment",
    "a&b|c<d>e",
    "zelle-ä-细胞.json",
    "",
)


@pytest.mark.parametrize("shell", ["sh", "bash", "zsh", "fish"])
@pytest.mark.parametrize("name", NAMES)
def test_a_quoted_name_is_the_same_word_in_every_shell(shell: str, name: str, tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    done = subprocess.run([shell, "-c", f"printf %s: {quote(name)}"], cwd=tmp_path, capture_output=True, check=True)
    assert done.stdout.decode() == f"{name}:"
    assert list(tmp_path.iterdir()) == []
    assert shlex.split(quote(name)) == [name]


@given(st.text())
def test_any_text_is_one_word(text: str) -> None:
    assert shlex.split(quote(text)) == ([text] if text.isprintable() else ["VALUE"])
    words = shlex.split(command_line("prune", text, op=text))
    assert words[:2] == ["ftso", "prune"] and 4 <= len(words) <= 5 and not words[2].startswith("--")


def test_no_name_is_taken_for_an_option() -> None:
    assert command_line("prune", "-p.json") == "ftso prune ./-p.json"
    assert command_line("draw", Path("--output=x")) == "ftso draw ./--output=x"
    assert command_line("train", "-", data="-x", compile=True, seed=None) == "ftso train - --data=-x --compile"
    assert option("op", ["a", "b c"]) == "--op 'a,b c'"


@pytest.mark.parametrize("name", ["a\nb.json", "\x1b[31m.json", "left\u202eright.json", "\udcff.json", "\x9b2J"])
def test_a_name_that_can_not_be_shown_as_it_is_stays_a_word_for_a_file(name: str) -> None:
    assert command_line("prune", name, data=name) == "ftso prune FILE --data VALUE"


@pytest.mark.parametrize(
    "name", ["a;touch X;.json", "$(touch X).json", "two words.json", "-p.json", "a\n; touch X.json"]
)
def test_hints_of_errors_and_next_steps_can_be_pasted(
    name: str, searched: Genotype, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = f"./{name}"
    storage.write_genotype(searched, Path(name))
    hint = CliRunner().invoke(app, ["cost", given]).stderr
    drawn = CliRunner().invoke(app, ["draw", given]).stdout
    for line in (hint.rpartition("run: ")[2], drawn.rpartition("next: ")[2]):
        named = given if name.isprintable() else "FILE"
        assert [word.removeprefix("./") for word in shlex.split(line)] == ["ftso", "prune", named.removeprefix("./")]
        assert not shlex.split(line)[2].startswith("-")
    if name.isprintable():
        assert CliRunner().invoke(app, shlex.split(line)[1:]).exit_code == 0
