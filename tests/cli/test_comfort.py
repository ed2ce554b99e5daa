"""What makes the shell comfortable: completion, guesses, consistent options, colours, narrow terminals."""

import inspect
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from typer.testing import CliRunner

from ftso_cli.cli.app import COMMANDS, app
from tests.forks import in_a_terminal, run_ftso
from tests.processes import ROOT, environment

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


def completed(line: str, cwd: Path) -> list[str]:
    """What bash would be offered for the last word of a line."""
    words = {"_FTSO_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
    return run_ftso(cwd=cwd, env=words).stdout.decode().split()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("ftso dra", ["draw"]),
        ("ftso draw --out", ["--out-dir", "--output"]),
        ("ftso search-topology --rank gr", ["gradient"]),
        ("ftso draw pc_darts_c", ["pc_darts_cifar"]),
        ("ftso cost nasnet_a my", ["my.json"]),
        ("ftso train x --data cifar", ["cifar10", "cifar100"]),
        ("ftso search-ops x --ops none,sep_conv_3", ["none,sep_conv_3x3"]),
        ("ftso score x --evaluate snip,gras", ["snip,grasp"]),
        ("ftso train x --recipe im", ["imagenet"]),
        ("ftso genotypes show snas_mi", ["snas_mild"]),
        ("ftso draw photos", []),
    ],
)
def test_the_shell_completes(line: str, expected: list[str], tmp_path: Path) -> None:
    (tmp_path / "my.json").touch()
    (tmp_path / "photos").mkdir()
    assert completed(line, tmp_path) == expected


def test_completion_can_be_installed_in_the_shell_that_asks() -> None:
    # The second command keeps bash from being replaced by the first: the shell is found among the parents of ftso.
    script = f"{sys.executable} -m ftso_cli --show-completion; exit $?"
    said = subprocess.check_output(["bash", "-c", script], cwd=ROOT, env=environment({}), text=True)
    assert "complete " in said


# Guesses


@pytest.mark.parametrize(
    ("args", "guess"),
    [
        (["trian", "x"], "train"),
        (["draw", "nasnt_a"], "nasnet_a"),
        (["assign-ops", "nasnet_a", "--op", "sep_conv3x3", "-o", "-"], "sep_conv_3x3"),
        (["search-topology", "--data", "cifar-10", "--iters", "1", "-o", "/dev/null"], "cifar10"),
        (["train", "nasnet_a", "--recipe", "quik"], "quick"),
        (["draw", "nasnet_a", "--format", "pgn", "-o", "-"], "png"),
        (["cost", "nasnet_a", "--by-stages"], "--by-stage"),
        (["search", "--method", "pc_darts"], "pc-darts"),
    ],
)
def test_a_misspelt_word_is_met_with_a_guess(args: list[str], guess: str) -> None:
    done = CliRunner().invoke(app, args)
    assert done.exit_code in (1, 2)
    assert re.search(f"(?i)(did you mean|possible options|one of).*{re.escape(guess)}", done.stderr.replace("\n", " "))


# Options


def options() -> Iterator[tuple[str, tuple[str, ...], Any]]:
    """Every option of every command: the command, the option's names, what Typer knows of it."""
    functions = [pair for name, entry in COMMANDS.items() for pair in entry.functions(name).items()]
    for name, function in functions:
        for parameter in inspect.signature(function).parameters.values():
            info = next((each for each in get_args(parameter.annotation)[1:] if hasattr(each, "param_decls")), None)
            # A former name of an option is hidden.
            if info is None or type(info).__name__ == "ArgumentInfo" or info.hidden:
                continue
            declared = [each for each in (info.default, *(info.param_decls or ())) if str(each).startswith("-")]
            yield name, tuple(declared) or (f"--{parameter.name.replace('_', '-')}",), info


def test_an_option_has_no_two_short_names() -> None:
    names = defaultdict(set)
    for _, (long, *short), _ in options():
        names[long].update(short)
    assert {long: shorts for long, shorts in names.items() if len(shorts) > 1} == {}


def test_a_short_name_means_the_same_in_every_command() -> None:
    meanings = defaultdict(set)
    for _, (long, *short), _ in options():
        for name in short:
            meanings[name].add(long)
    assert {name: longs for name, longs in meanings.items() if len(longs) > 1} == {}


def test_every_command_has_json_as_its_last_option() -> None:
    last = {name: names[0] for name, names, _ in options()}
    assert {name: option for name, option in last.items() if option != "--json"} == {}
    assert {name.split()[0] for name in last} == set(COMMANDS)


def test_every_option_has_a_help() -> None:
    assert [(name, names[0]) for name, names, info in options() if not info.help] == []


# Terminals


def test_colours_are_for_terminals_and_not_where_no_color_is_set() -> None:
    coloured = in_a_terminal("draw", "nasnet_a", "--terminal", columns=80, env={"NO_COLOR": ""})
    plain = in_a_terminal("draw", "nasnet_a", "--terminal", columns=80, env={"NO_COLOR": "1"})
    colours = re.compile(r"\x1b\[[0-9;]*(3[0-9]|38;[25];[0-9;]+)m")
    assert colours.search(coloured) and not colours.search(plain)
    piped = run_ftso("draw", "nasnet_a", "--terminal")
    assert b"\x1b" not in piped.stdout


@pytest.mark.parametrize(
    ("args", "whole"),
    [
        (["--help"], "search-topology"),
        (["genotypes"], "nasnet_a"),
        (["genotypes", "show", "darts_v2"], "MACs          528,359,040"),
        (["draw", "nasnet_a", "--terminal"], "sep_conv_5x5"),
        (["cost", "nasnet_a"], "MACs        603,452,448"),
        (["cost", "--n", "7", "--p", "8"], "DARTS            751,677,997,056"),
        (["cost", "--sweep", "n=4..6"], "n 6"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_tables_are_legible_on_a_terminal_of_44_columns(args: list[str], whole: str) -> None:
    """Their lines fit, and what counts is whole; sentences may wrap."""
    printed = ESCAPE.sub("", in_a_terminal(*args, columns=44, env={"NO_COLOR": "1"}))
    assert whole in printed
    tables = [line for line in printed.split("\r\n") if re.search(r"[│─╭█]|\S {2,}\S", line) and "](" not in line]
    assert tables and [line for line in tables if len(line) > 44] == []


def test_numbers_in_a_pipe_stand_in_one_table_however_narrow_it_claims_to_be() -> None:
    done = run_ftso("cost", "nasnet_a", env={"COLUMNS": "20"})
    assert re.search(rb"stem +108.32.32 +3,132 +2,985,984", done.stdout.replace("×".encode(), b"."))


def test_the_progress_bar_of_a_narrow_terminal_is_one_line_with_what_counts(tmp_path: Path) -> None:
    small = ("--iters", "3", "--channels", "4", "--cells", "2", "-o", str(tmp_path / "c.json"))
    printed = ESCAPE.sub("", in_a_terminal("search-topology", *small, columns=60, env={"NO_COLOR": "1"}))
    bars = [line for line in re.split(r"[\r\n]+", printed) if line.startswith("search-topology")]
    assert any(re.match(r"search-topology 3/3 loss \d\.\d{3}, held-out \d\.\d{3}", line) for line in bars)
    assert all(len(line) <= 60 and line.count("…") <= 1 for line in bars)
