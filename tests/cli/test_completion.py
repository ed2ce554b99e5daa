"""The TAB key in the shells that are here, with files whose names a shell could take for something else."""

import fcntl
import os
import pty
import select
import shutil
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ftso_cli.cli.shells import _split
from tests.processes import HANG, environment

TYPED = {
    "\\$": "$(mkdir X).json",
    "back": "back`mkdir X`;mkdir X;.json",
    "it": 'it\'s "quoted".json',
    "glob": "glob*[a]?{a,b} ~ # =$HOME:ä.json",
    "line": "line\nmkdir X\n.json",
    "'two": "two  blanks.json",
}
"""What is typed, and the file that it becomes with the TAB key."""

START = {
    "bash": ("bash", "--rcfile", "{home}/rc", "-i"),
    "zsh": ("zsh", "-i"),
    "fish": ("fish", "-i"),
}
SETTINGS = {
    "bash": ("rc", "PS1='READY>'\nbind 'set enable-bracketed-paste off'\nsource {script}\n"),
    "zsh": (".zshrc", "autoload -Uz compinit; compinit -u -D\nsource {script}\nPROMPT='READY>'\n"),
    "fish": ("fish/config.fish", "set fish_greeting\nfunction fish_prompt; echo -n 'READY>'; end\nsource {script}\n"),
}
FTSO = """#!/bin/sh
if [ -n "$_FTSO_COMPLETE" ]; then exec {python} -m ftso_cli "$@"; fi
printf '%s\\0' "$@" > {told}.part && mv {told}.part {told}
"""


@contextmanager
def interactive(shell: str, home: Path, folder: Path) -> Iterator[int]:
    """The terminal of an interactive shell in a folder, in which `ftso` completes; it is killed in the end."""
    told = home / "told"
    program = home / "bin" / "ftso"
    program.parent.mkdir(parents=True)
    program.write_text(FTSO.format(python=sys.executable, told=told))
    program.chmod(0o755)
    own = environment({"HOME": str(home), "ZDOTDIR": str(home), "XDG_CONFIG_HOME": str(home), "TERM": "xterm"})
    own["PATH"] = f"{program.parent}{os.pathsep}{own['PATH']}"
    own["XDG_DATA_HOME"] = str(home)
    script = subprocess.check_output([program], env={**own, "_FTSO_COMPLETE": f"source_{shell}"})
    (home / "script").write_bytes(script)
    name, settings = SETTINGS[shell]
    (home / name).parent.mkdir(parents=True, exist_ok=True)
    (home / name).write_text(settings.format(script=home / "script"))
    ours, theirs = pty.openpty()
    command = [part.format(home=home) for part in START[shell]]
    process = subprocess.Popen(
        command,
        cwd=folder,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=own,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(theirs)
    try:
        yield ours
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def read_until(terminal: int, sign: bytes, told: Path | None = None) -> bytes:
    """Reads what a shell prints until a sign is in it, or until there is the file `told`."""
    printed, end = b"", time.monotonic() + HANG
    while sign not in printed and not (told is not None and told.exists()):
        assert time.monotonic() < end, printed
        if select.select([terminal], [], [], 0.05)[0]:
            printed += os.read(terminal, 65536)
    return printed


@pytest.mark.parametrize("shell", START)
def test_a_name_is_completed_as_the_one_word_that_it_is(shell: str, tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    folder, home = tmp_path / "folder", tmp_path / "home"
    folder.mkdir()
    for name in TYPED.values():
        (folder / name).touch()
    with interactive(shell, home, folder) as terminal:
        told, found = home / "told", {}
        read_until(terminal, b"READY>")
        for typed in TYPED:
            os.write(terminal, f"ftso draw {typed}\t\n".encode())
            read_until(terminal, b"no such sign", told)
            found[typed] = told.read_bytes().decode().rstrip("\0").split("\0")
            told.unlink()
    assert found == {typed: ["draw", name] for typed, name in TYPED.items()}
    assert sorted(path.name for path in folder.iterdir()) == sorted(set(TYPED.values()))


@pytest.mark.parametrize(
    ("line", "words", "quote"),
    [
        ("ftso draw ", ["ftso", "draw", ""], ""),
        ("ftso draw my\\ ", ["ftso", "draw", "my "], ""),
        ("ftso 'a b' \"c\\\"d", ["ftso", "a b", 'c"d'], '"'),
        ("ftso draw 'it", ["ftso", "draw", "it"], "'"),
        ("ftso draw it\\", ["ftso", "draw", "it"], ""),
        ("", [""], ""),
    ],
)
def test_a_line_that_is_still_typed_is_read_as_shells_do(line: str, words: list[str], quote: str) -> None:
    assert _split(line) == (words, quote)
