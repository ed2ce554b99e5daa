"""What `torch.compile` needs of this machine, and what to do where it fails."""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from ftso_cli.errors import SettingsError, TrainingError


def check_compiler(device: torch.device) -> None:
    """Raises `SettingsError` where code for a CPU is to be compiled and there is no C++ compiler."""
    compiler = os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++")
    if device.type == "cpu" and sys.platform != "win32" and shutil.which(compiler) is None:
        raise SettingsError(
            f"--compile needs a C++ compiler, and there is no {compiler} here; install one "
            "(Debian: apt-get install g++), name another in CXX, or train without --compile"
        )


@contextmanager
def compiling() -> Iterator[None]:
    """Inside, where a network fails to compile, that is a `TrainingError`."""
    try:
        yield
    except Exception as error:
        if not type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
            raise
        reason = " ".join(str(error).split("\n\n")[0].split())[:200]
        raise TrainingError(f"--compile: the network can't be compiled here, train without it ({reason})") from None
