"""DOT to svg, png and pdf, by `graphviz-pure`, which comes with ftso, or by the system's `dot`."""

import os
import subprocess
import sys
from pathlib import Path

from ftso_cli.errors import DrawingError, unknown
from ftso_cli.programs import find_program, safe_environment

FORMATS = ("svg", "png", "pdf", "dot")

DPI = 200
"""Dots per inch of a png: sharp in print at the picture's own size."""

MOST_LINES = 512
"""Lines between nodes that a picture may have; the time that Graphviz needs grows with their square, or faster."""

TIMEOUT = 30.0
"""Seconds; a picture takes some hundredths of one."""


def render_dot(source: str, format: str, *, timeout: float = TIMEOUT) -> bytes:
    """The picture of a DOT text as svg, png or pdf, or the text itself for dot.

    Raises `DrawingError` for another format, and where no program on this machine can make it or needs too long.
    """
    if format not in FORMATS:
        raise DrawingError(unknown("picture format", format, FORMATS))
    if format == "dot":
        return source.encode()
    if (many := source.count(" -> ")) > MOST_LINES:
        raise DrawingError(
            f"{many} lines are too many for a picture, at most {MOST_LINES}; try -o FILE.dot or --terminal"
        )
    program = _program(format)
    resolution = [f"-Gdpi={DPI}"] if format == "png" else []
    try:
        done = subprocess.run(
            [program, f"-T{format}", *resolution],
            input=source.encode(),
            capture_output=True,
            timeout=timeout,
            env=safe_environment(),
        )
    except subprocess.TimeoutExpired:
        raise DrawingError(f"{program} took longer than {timeout:g} s to draw; try -o FILE.dot") from None
    except OSError as error:
        raise DrawingError(f"{program} can't be started ({error.strerror or error})") from None
    if done.returncode != 0 or not done.stdout:
        raise DrawingError(f"{program} can't make {format}: {_reason(done)}")
    return done.stdout


def _program(format: str) -> str:
    """The program that makes `format`; graphviz-pure first, because its pictures are the same on every machine."""
    beside_python = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    pure = None if format == "pdf" else find_program("graphviz-pure", beside_python)
    found = pure or find_program("dot")
    if found is None and format == "pdf":
        raise DrawingError(
            "pdf needs the program dot, which is not on PATH: install Graphviz (https://graphviz.org/download), "
            "or draw svg or png, which work without it"
        )
    if found is None:
        raise DrawingError(
            f"{format} needs the program graphviz-pure (pip install graphviz-pure) or dot (https://graphviz.org/download)"
        )
    return found


def _reason(done: "subprocess.CompletedProcess[bytes]") -> str:
    """The first error that a program printed, or its exit status."""
    said = done.stderr.decode(errors="replace").splitlines()
    errors = [line for line in said if line.strip() and "warning" not in line.lower()]
    return errors[0].strip()[:200] if errors else f"exit status {done.returncode}"
