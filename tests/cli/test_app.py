"""What every command shares: help, exit status, errors on one line, and streams that break."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner, Result

from ftso_cli import __version__
from ftso_cli.cli.app import COMMANDS, app
from ftso_cli.cli.group import CommandEntry, Commands
from ftso_cli.errors import SettingsError
from ftso_cli.genotype import Genotype, storage
from tests.processes import HANG, ROOT, environment, run_fresh

WIDTH = {"COLUMNS": "80", "TERMINAL_WIDTH": "80"}
READERS = ("prune", "assign-ops", "draw", "cost", "export")
"""Commands that read a genotype and need no torch."""


def invoke(*args: str | Path, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(app, [str(arg) for arg in args], input=stdin, env=WIDTH)


def error_of(result: Result) -> str:
    """The one line on stderr of a command that failed with status 1."""
    assert result.exit_code == 1, result.output
    assert isinstance(result.exception, SystemExit)
    lines = result.stderr.splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("error: ")
    assert result.stdout == ""
    return lines[0].removeprefix("error: ")


# Help


def test_help_lists_every_command_with_one_line_in_order_of_use() -> None:
    result = invoke("--help")
    assert result.exit_code == 0
    listed = re.findall(r"^│ ([a-z][a-z0-9-]+)  +(.+?) +│$", result.output, re.MULTILINE)
    assert listed == [(name, entry.summary) for name, entry in COMMANDS.items()]


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_fits_80_columns_and_reads_like_other_programs(name: str) -> None:
    result = invoke(name, "--help")
    assert result.exit_code == 0
    assert f"Usage: ftso {name} [OPTIONS]" in result.output
    examples = re.findall(r"^  • (.+)$", result.output, re.MULTILINE)
    assert examples and all(line.startswith("ftso ") for line in examples)
    assert not re.search(r"<(str|int|float|path|list)|\.{4}", result.output)
    assert all(len(line) <= 80 for line in result.output.splitlines())
    assert "<bool>" not in result.output
    assert "range" not in result.output
    assert not {"{", "…"} & set(result.output)
    assert "--json" in result.output


def test_help_names_both_sides_of_a_flag_in_one_word_and_long_choices_in_the_text() -> None:
    told = " ".join(invoke("train", "--help").output.replace("│", "").split())
    assert "--[no-]decay-norms" in told and "One of cosine, linear, one-cycle." in told
    assert invoke("train", "--no-flip", "--flip", "--help").exit_code == 0


def test_help_is_shown_for_dash_h_and_where_no_command_is_given() -> None:
    assert invoke("-h").output.strip() == invoke("--help").output.strip() == invoke().output.strip()
    assert invoke("prune", "-h").output == invoke("prune", "--help").output
    assert invoke().exit_code == 2


def test_the_version_is_printed() -> None:
    result = invoke("--version")
    assert (result.exit_code, result.output) == (0, f"ftso {__version__}\n")


@pytest.mark.parametrize("name", COMMANDS)
def test_the_table_of_commands_leads_to_functions_with_a_docstring(name: str) -> None:
    command = COMMANDS[name].load(name)
    assert command.name == name
    assert command.help
    assert command.callback is not None


# Usage errors


def test_a_misspelt_command_is_a_usage_error_with_a_guess() -> None:
    result = invoke("prun")
    assert result.exit_code == 2
    assert "No such command 'prun'. Did you mean 'prune'?" in result.stderr


@pytest.mark.parametrize(
    "args",
    [
        ["prune"],
        ["prune", "a", "b"],
        ["prune", "x", "--keep", "two"],
        ["prune", "x", "--nope"],
        ["search", "--method", "darts"],
        ["--nope"],
    ],
)
def test_wrong_use_gives_status_2_one_line_and_nothing_on_stdout(args: list[str]) -> None:
    result = invoke(*args)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert result.stderr.endswith(" --help shows how\n")
    assert result.stderr.count("\n") == 1
    assert "Value error" not in result.stderr


# Files that are no genotype, through every command that reads one


@pytest.mark.parametrize("command", READERS)
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "is empty"),
        (b"not json", "Invalid JSON"),
        (b"\x89PNG\r\n\x1a\n\x00\xff", "Invalid JSON"),
        (b"[" * 100_000, "recursion limit exceeded"),
        (" {}".encode("utf-16"), "is UTF-16 text; save it as UTF-8"),
        (b"{}", "format: is missing"),
        (b" " * 20_000_000, "larger than 16 MB"),
    ],
    ids=["empty", "text", "binary", "nested", "utf-16", "object", "20 MB"],
)
def test_a_file_that_is_no_genotype_is_refused_by_name(
    command: str, content: bytes, expected: str, tmp_path: Path
) -> None:
    path = tmp_path / "cell.json"
    path.write_bytes(content)
    message = error_of(invoke(command, path))
    assert message.startswith(f"{path}: ")
    assert expected in message
    assert path.read_bytes() == content


@pytest.mark.parametrize("command", READERS)
def test_a_folder_and_a_missing_file_are_refused_by_name(command: str, tmp_path: Path) -> None:
    assert "is a folder" in error_of(invoke(command, tmp_path))
    assert "no such file and no published cell of that name" in error_of(invoke(command, tmp_path / "nothing.json"))
    assert "no such file and no published cell of that name" in error_of(invoke(command, "x" * 300))


@pytest.mark.parametrize("command", READERS)
@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('"source": 2, "target": 3', '"source": 4, "target": 3', "cells.normal: edge 4→3: a source must be an earlier"),
        ('"source": 2, "target": 3', '"source": 2, "target": 1', "cells.normal: edge 2→1: node 1 is an input"),
        ('"skip_connect", "beta": 0.3}', '"skip_conect"}', "edge 0→3: unknown operator 'skip_conect', did you mean"),
        ('"concat": [2, 3, 4, 5]', '"concat": [2, 9]', "cells.normal: concat: node 9 doesn't exist"),
        ('"beta": 0.1', '"beta": NaN', "cells.normal.edges[0].beta: Input should be a finite number"),
        ('"source": 0', '"source": "0"', "cells.normal.edges[0].source: Input should be a valid integer"),
        ('"space": "darts"', '"space": "dart"', "space: 'dart' is none of darts"),
    ],
    ids=["backwards", "into an input", "operator", "concat", "NaN", "type", "space"],
)
def test_a_broken_rule_is_named_with_file_cell_and_edge(
    command: str, old: str, new: str, expected: str, searched: Genotype, tmp_path: Path
) -> None:
    path = tmp_path / "cell.json"
    text = storage.genotype_json(searched)
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    message = error_of(invoke(command, path))
    assert message.startswith(f"{path}: ")
    assert expected in message


@pytest.mark.parametrize("name", ["[red]x.json", "a:cat:b.json", "[b]x[.json", "a\nb.json", "\x1b[31m.json", "x\\"])
def test_names_of_files_are_printed_as_they_are_and_safely(name: str, searched: Genotype, tmp_path: Path) -> None:
    path = tmp_path / name
    storage.write_genotype(searched, path)
    result = invoke("assign-ops", path)
    assert result.exit_code == 0, result.output
    shown = name.replace("\x1b", "\\x1b").replace("\n", "\\n")
    assert f"{shown}: sep_conv_3x3 on 16 edges" in result.stdout
    assert f"{shown} was not pruned" in result.stderr
    assert "\x1b" not in result.output
    # The command that is proposed can be pasted into a shell.
    if name.isprintable():
        line = next(line for line in result.stdout.splitlines() if line.startswith("next: "))
        assert shlex.split(line.removeprefix("next: ")) == ["ftso", "draw", str(path)]
    path.write_text("{}")
    assert len(invoke("prune", path).stderr.splitlines()) == 1


# What goes wrong inside a command


def user_error() -> None:
    """A request that is wrong."""
    raise SettingsError("the keep of\nthis is wrong")


def fault() -> None:
    """A mistake of the program's."""
    raise ZeroDivisionError("division by zero")


def interrupted() -> None:
    """Ctrl-C."""
    raise KeyboardInterrupt


def no_permission() -> None:
    """An error of the system that no command foresaw."""
    open("/nothing/at/all").close()


def usage(op: Annotated[str, typer.Option()] = "x") -> None:
    """An error that a command finds in its own options."""
    raise typer.BadParameter("give another", param_hint="--op")


def status() -> None:
    """A command that ends with a status of its own."""
    raise typer.Exit(7)


def waits() -> None:
    """A command that takes long; it heeds Ctrl-C as `main` sees to, where a shell has started the tests without it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.stderr.write("ready\n")
    sys.stderr.flush()
    # A signal that comes right before `pause` would not end it.
    while True:
        time.sleep(0.1)


def crowded() -> None:
    """A command that prints more than a pipe holds."""
    for number in range(100_000):
        sys.stdout.write(f"{number}\n")


class Failing(Commands):
    """Commands that fail in every way."""

    table = {  # noqa: RUF012
        function.__name__: CommandEntry(f"tests.cli.test_app:{function.__name__}", "Fails.")
        for function in (user_error, fault, interrupted, no_permission, usage, status, waits, crowded)
    }


failing = typer.Typer(cls=Failing, pretty_exceptions_enable=False)


@failing.callback()
def options(debug: Annotated[bool, typer.Option("--debug")] = False) -> None:
    """Has the option that all of ftso has."""


def fail_with(*args: str) -> Result:
    return CliRunner().invoke(failing, list(args), env=WIDTH)


def test_an_error_of_the_users_is_one_line_and_status_1() -> None:
    assert error_of(fail_with("user_error")) == "the keep of this is wrong"


def test_a_fault_of_the_programs_is_one_line_that_says_whose_it_is() -> None:
    message = error_of(fail_with("fault"))
    assert message == (
        "a fault in ftso, not in your data: ZeroDivisionError: division by zero; ftso --debug COMMAND shows where"
    )


def test_an_unforeseen_error_of_the_system_is_one_line_with_the_file() -> None:
    assert error_of(fail_with("no_permission")) == "/nothing/at/all: No such file or directory"


@pytest.mark.parametrize(
    ("name", "kind"), [("user_error", SettingsError), ("fault", ZeroDivisionError), ("no_permission", OSError)]
)
def test_debug_lets_the_traceback_through(name: str, kind: type[Exception]) -> None:
    result = fail_with("--debug", name)
    assert isinstance(result.exception, kind)
    assert result.exit_code == 1


def test_ctrl_c_is_status_130() -> None:
    result = fail_with("interrupted")
    assert result.exit_code == 130
    assert result.stderr == "error: interrupted\n"
    assert result.stdout == ""


def test_a_commands_own_status_and_usage_errors_pass() -> None:
    assert fail_with("status").exit_code == 7
    result = fail_with("usage")
    assert result.exit_code == 2
    assert "give another" in result.stderr


# Streams, in real processes

FAILING = [sys.executable, "-c", "from tests.cli.test_app import failing; failing()"]


def test_an_interrupted_process_ends_with_one_line_and_status_130() -> None:
    process = subprocess.Popen([*FAILING, "waits"], cwd=ROOT, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    assert process.stderr.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=HANG)
    assert (process.returncode, errors) == (130, "error: interrupted\n")


def test_a_reader_that_goes_away_is_no_error() -> None:
    process = subprocess.Popen([*FAILING, "crowded"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline() == b"0\n"
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(timeout=HANG) == 0
    process.stderr.close()


def test_a_reader_that_was_never_there_is_no_error(searched_file: Path) -> None:
    """So little is printed that it is still in the buffer when the command ends."""
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "ftso_cli", "prune", str(searched_file), "-o", "-"]
    done = subprocess.run(command, cwd=ROOT, stdout=writing, stderr=subprocess.PIPE, env=environment(), timeout=HANG)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("arguments", [["prune", "CELL", "-o", "-"], ["--help"], ["cost", "--help"]])
def test_a_full_disk_behind_stdout_is_an_error_on_one_line(arguments: list[str], searched_file: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full on this system")
    with open("/dev/full", "wb") as full:
        arguments = [str(searched_file) if each == "CELL" else each for each in arguments]
        command = [sys.executable, "-m", "ftso_cli", *arguments]
        done = subprocess.run(command, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, env=environment(), timeout=HANG)
    assert done.returncode == 1
    assert done.stderr == b"error: reading or writing failed: No space left on device\n"


@pytest.mark.parametrize(
    ("closing", "status", "errors"),
    [("<&-", 1, "error: standard input: is empty\n"), (">&-", 1, "error: standard input: is empty\n"), ("2>&-", 1, "")],
)
def test_closed_streams_are_no_reason_to_crash(closing: str, status: int, errors: str) -> None:
    command = f"{shlex.quote(sys.executable)} -m ftso_cli prune - {closing}"
    done = subprocess.run(["sh", "-c", command], cwd=ROOT, input=b"", capture_output=True, timeout=HANG)
    assert (done.returncode, done.stderr.decode(), done.stdout) == (status, errors, b"")


def test_signs_that_the_output_can_not_show_become_question_marks_and_files_stay_utf_8(
    searched_file: Path, tmp_path: Path
) -> None:
    output = tmp_path / "ö.json"
    done = run_fresh("prune", searched_file, "-o", output, env={"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0, done.stderr
    assert b"normal  2?0,1  3?0,2" in done.stdout
    assert storage.read_genotype(output).stage == "pruned"
    done = run_fresh("prune", searched_file, "-o", output, "--json", env={"PYTHONIOENCODING": "ascii"})
    assert json.loads(done.stdout)["file"] == str(output)


def test_the_module_and_the_script_are_the_same_program() -> None:
    done = run_fresh("--version")
    assert (done.returncode, done.stdout) == (0, f"ftso {__version__}\n".encode())


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["train", "darts_v2", "--data", ""], "--data"),
        (["train", "darts_v2", "--recipe="], "--recipe"),
        (["train", "darts_v2", "-d", ""], "-d"),
        (["predict", "run", ""], "an argument"),
        (["cost", ""], "an argument"),
        (["search-topology", "-o", ""], "-o"),
        (["sweep", "status", ""], "an argument"),
    ],
)
def test_an_empty_argument_as_of_a_variable_that_is_not_set_is_refused(words: list[str], what: str) -> None:
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 2
    assert done.stderr.startswith(f"error: Invalid value: {what} is empty; is a variable of the shell not set?")
    assert done.stderr.count("\n") == 1
