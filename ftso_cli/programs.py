"""Starting other programs, without the current folder, where anybody's files may lie, on their paths.

`python -m` puts the current folder in front of all others, and so does an empty entry of PYTHONPATH: a file there that
is named as a module of Python would be imported instead of it.
"""

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

_MAIN = "import sys; sys.path.append(sys.argv.pop(1)); from ftso_cli.__main__ import main; main()"
"""The folder of this ftso comes last on the path: a checkout that is not installed is found, and shadows nothing."""


def ftso_command(*args: str) -> list[str]:
    """The command line that runs this ftso in a process of its own."""
    return [sys.executable, "-P", "-c", _MAIN, str(Path(__file__).parents[1]), *args]


def safe_environment(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment of this process, without the current folder on Python's path."""
    paths = [
        path for path in environment.get("PYTHONPATH", "").split(os.pathsep) if os.path.normpath(path or ".") != "."
    ]
    others = {name: value for name, value in environment.items() if name != "PYTHONPATH"}
    return {**others, "PYTHONSAFEPATH": "1", **({"PYTHONPATH": os.pathsep.join(paths)} if paths else {})}


def find_program(name: str, path: str | None = None) -> str | None:
    """The program of this name on PATH, or on `path`; None for one in the current folder."""
    found = shutil.which(name, path=path)
    return found if found is not None and os.path.isabs(found) else None
