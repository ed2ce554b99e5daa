"""`torch.compile`: its needs of this machine, compiling a network, and advice where it fails."""

import importlib.util
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch

from ftso_cli.errors import SettingsError, TrainingError
from ftso_cli.nn.network import Network

WORTH_COMPILING = 30_000
"""Steps of a training on a GPU from which on compiling is the default: it takes minutes, and then saves a quarter of
every step (docs/performance.md)."""

KINDS_OF_CELLS = 64
"""The most different cells of a network that are compiled; the compiler's own limit is made for one function."""


def compiles_by_default(device: torch.device, steps: int) -> bool:
    """Return True where a training of this many steps on a device is compiled by default."""
    return device.type == "cuda" and steps >= WORTH_COMPILING and missing_compiler(device) is None


def check_compiler(device: torch.device) -> None:
    """Raises `SettingsError` where code for a device is to be compiled and what that needs is not here."""
    missing = missing_compiler(device)
    if missing:
        raise SettingsError(
            f"--compile needs a C++ compiler, and there is no {missing} here; install one "
            "(Debian: apt-get install g++), name another in CXX, or train without --compile"
            if device.type == "cpu"
            else f"--compile needs {missing}, which is not here; install it, or train without --compile"
        )


def missing_compiler(device: torch.device) -> str | None:
    """Return the name of a program or package that the compiler lacks for a device; None where it has all."""
    if device.type == "cuda":
        if importlib.util.find_spec("triton") is None:
            return "triton"
        compiler = os.environ.get("CC", "gcc")
        return compiler if shutil.which(compiler) is None and shutil.which("clang") is None else None
    compiler = os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++")
    return compiler if device.type == "cpu" and sys.platform != "win32" and shutil.which(compiler) is None else None


def compile_cells(network: Network) -> None:
    """Compiles the cells of a network, each kind of cell once. What is between them is not worth it."""
    for cell in network.cells:
        cell.compile(dynamic=False)


@contextmanager
def compiling(compiled: bool = True) -> Iterator[None]:
    """Inside, a network can be compiled, and where it fails to, that is a `TrainingError`."""
    try:
        with _room_for_cells() if compiled else nullcontext():
            yield
    except Exception as error:
        if not type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
            raise
        reason = " ".join(str(error).split("\n\n")[0].split())[:200]
        raise TrainingError(f"--compile: the network can't be compiled here, train without it ({reason})") from None


@contextmanager
def _room_for_cells() -> Iterator[None]:
    """Inside, the compiler keeps as many versions of a cell's code as a network has kinds of cells."""
    from torch._dynamo import config

    limit = "recompile_limit" if hasattr(config, "recompile_limit") else "cache_size_limit"
    with config.patch({limit: KINDS_OF_CELLS}):
        yield
