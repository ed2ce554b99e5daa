"""The renderer of charts, vl-convert, in a process of its own: a crash in its native code is an error of one line.

The process is started with the first chart, draws one after another, and ends with the program that has started it.
"""

import atexit
import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import IO, Any

from ftso_cli.errors import DrawingError
from ftso_cli.programs import safe_environment

SCRIPT = Path(__file__).with_name("vega.py")


def render_chart(spec: dict[str, Any]) -> str:
    """The chart as SVG text; raises `DrawingError` where the renderer can't draw it, or has ended."""
    process = _process(os.getpid())
    try:
        _stream(process.stdin).write(json.dumps(spec).encode() + b"\n")
        _stream(process.stdin).flush()
        answer = json.loads(_stream(process.stdout).readline())
    except (OSError, ValueError):
        raise DrawingError(f"the charts can't be drawn: vl-convert {_end(process)}") from None
    except BaseException:
        # What it says next would be the answer to this chart.
        process.kill()
        _end(process)
        raise
    if "svg" not in answer:
        raise DrawingError(f"a chart can't be drawn: {' '.join(str(answer.get('error')).split())[:200]}")
    return str(answer["svg"])


@cache
def _process(parent: int) -> subprocess.Popen[bytes]:
    """The renderer of the process `parent`, this one: one that was forked from another has its own."""
    try:
        process = subprocess.Popen(
            [sys.executable, "-P", str(SCRIPT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=safe_environment(),
        )
    except OSError as error:
        raise DrawingError(f"the charts can't be drawn: {error.strerror or error}") from None
    # A fork of this process must not wait for it.
    atexit.register(lambda: process.communicate() if os.getpid() == parent else None)
    return process


def _stream(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None
    return stream


def _end(process: subprocess.Popen[bytes]) -> str:
    """The end of the renderer in words; it is killed where it doesn't end by itself."""
    _process.cache_clear()
    try:
        status = process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        status = process.wait()
    return f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
