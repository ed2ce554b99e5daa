"""Small file systems over a folder, full ones and read-only ones, where the tests have the right to mount."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(folder: Path, pages: int, *, read_only: bool = False) -> Iterator[None]:
    """A file system of so many pages of 4 kB over `folder`, with what was in it."""
    with tempfile.TemporaryDirectory() as kept:
        shutil.copytree(folder, kept, dirs_exist_ok=True)
        if not _mounted("-t", "tmpfs", "-o", f"size={4 * pages}k,nr_inodes=64", "tmpfs", folder):
            pytest.skip("no right to mount a small file system")
        try:
            shutil.copytree(kept, folder, dirs_exist_ok=True)
            if read_only and not _mounted("-o", "remount,ro", folder):
                pytest.skip("no right to make a file system read-only")
            yield
        finally:
            subprocess.run(["umount", "-l", folder], check=True)


def _mounted(*args: str | Path) -> bool:
    if shutil.which("mount") is None:
        return False
    return subprocess.run(["mount", *args], capture_output=True, check=False).returncode == 0


def fill(folder: Path, free: int) -> None:
    """Takes all room of the file system but `free` pages."""
    with (folder / "filler").open("wb", buffering=0) as file:
        stat = os.statvfs(folder)
        file.write(bytes(stat.f_bsize * (stat.f_bavail - free)))
