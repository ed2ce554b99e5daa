"""One stage of a trial: its folder, the lock on it, and its process, an `ftso` command.

A stage is done where its product lies in its folder, and products are written in one piece: no other state is kept.
The lock is on an open file that the process of the stage inherits. If whoever started it is killed, the process keeps
the lock, and who takes up the trial waits for its product instead of working in the same folder.
"""

import json
import os
import random
import stat
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import BinaryIO

from ftso_cli import locks
from ftso_cli.api.search.ensembles import seeds_folder
from ftso_cli.api.search.races import journal_of
from ftso_cli.errors import BusyError, RunError
from ftso_cli.files import RUN_CONFIG, check_inside, make_inside, write_inside
from ftso_cli.genotype import storage
from ftso_cli.programs import ftso_command, safe_environment
from ftso_cli.search.race.topologies import random_topology
from ftso_cli.search.recording.options import has_checkpoint
from ftso_cli.spaces import DARTS
from ftso_cli.studies.plan import RANDOM, Stage
from ftso_cli.studies.stages import flags, keeps_history

POLL = 0.2
"""Seconds between looks at a process or a lock."""

PRODUCTS = {"train": "run/result.json", "query": "answer.json"}
"""The file that a finished stage leaves; a genotype, for a stage that is none of these."""

LOG = "log.txt"


class Stopped(Exception):
    """The user has asked to stop."""


@dataclass(frozen=True)
class Workspace:
    """The place where stages run, and the threads of each."""

    root: Path
    threads: int
    stop: Event
    trust_pickle: bool = False
    """The user's word, from the command line, that a benchmark's pickles may be read."""

    def folder(self, stage: Stage) -> Path:
        """The folder of a stage."""
        return self.root / stage.folder


def product_file(folder: Path, name: str) -> Path:
    """The file that says that the stage `name` is done."""
    return folder / PRODUCTS.get(name, "cell.json")


def work(stages: Sequence[Stage], place: Workspace) -> None:
    """Does all stages of a trial that are not done yet; raises `RunError` with what a command has said."""
    cell = ""
    for stage in stages:
        if stage.name == "cell" and stage.options["cell"] != RANDOM:
            cell = str(stage.options["cell"])
            continue
        folder = place.folder(stage)
        make_inside(folder)
        check_inside(folder / "run")
        if not product_file(folder, stage.name).exists():
            with file_lock(folder / "lock", place.stop) as lock:
                if not product_file(folder, stage.name).exists():
                    _do(stage, cell, folder, place, lock)
        cell = str(folder / "cell.json")


@contextmanager
def file_lock(path: Path, stop: Event) -> Iterator[locks.Held]:
    """Holds the lock file `path`, once nobody else does. Where the system has no such locks, nobody waits."""
    while True:
        try:
            held = locks.acquire(path)
            break
        except BusyError:
            _pause(stop)
    try:
        yield held
    finally:
        locks.release(held)


def _pause(stop: Event) -> None:
    if stop.wait(POLL):
        raise Stopped


def _do(stage: Stage, cell: str, folder: Path, place: Workspace, lock: locks.Held) -> None:
    if stage.name == "cell":
        topology = random_topology(random.Random(stage.options["seed"]), DARTS.nodes)
        write_inside(folder / "cell.json", storage.genotype_json(topology.genotype(DARTS.default_operator)).encode())
        return
    trust = ["--trust-pickle"] * (stage.name == "query" and place.trust_pickle)
    args = [*arguments(stage, cell, folder), *trust]
    command = {"command": ["ftso", *args], "key": stage.key}
    write_inside(folder / "stage.json", (json.dumps(command, indent=2) + "\n").encode())
    said = _run(args, folder, place, lock)
    if stage.name == "query":
        write_inside(folder / "answer.json", said)


def _run(args: Sequence[str], folder: Path, place: Workspace, lock: locks.Held) -> bytes:
    """Runs a command of ftso to its end and gives what it printed; a stop ends it as Ctrl-C does."""
    environment = {"OMP_NUM_THREADS": str(place.threads)} | safe_environment() | {"COLUMNS": "200"}
    inherited = () if lock is None else (lock,)
    with _opened(folder / LOG, os.O_APPEND) as log, _opened(folder / "stdout.txt", os.O_TRUNC) as out:
        process = subprocess.Popen(
            ftso_command(*args),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=log,
            env=environment,
            pass_fds=inherited,
        )
        while process.poll() is None:
            if place.stop.is_set():
                process.terminate()
                process.wait()
                raise Stopped
            with suppress(subprocess.TimeoutExpired):
                process.wait(POLL)
    if place.stop.is_set():
        raise Stopped
    if process.returncode:
        raise RunError(f"ftso {args[0]}: {_last_words(folder / LOG, process.returncode)}")
    return (folder / "stdout.txt").read_bytes()


def _opened(path: Path, flag: int) -> BinaryIO:
    """A file of a stage, opened for writing; a link, a pipe or a device in its place is removed first."""
    with suppress(FileNotFoundError):
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
            path.unlink()
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | flag, 0o666), "wb")


def _last_words(log: Path, status: int) -> str:
    """The error that a command ended with."""
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    if status < 0:
        return f"ended by signal {-status}"
    return (errors or lines or [f"exit status {status}"])[-1][:1000]


def arguments(stage: Stage, cell: str, folder: Path) -> list[str]:
    """The command line of a stage, which goes on with what a killed one has left in its folder."""
    name = stage.name
    run = folder / "run"
    if name == "train" and (run / RUN_CONFIG).exists():
        curves = ["--tensorboard"] * bool(stage.options.get("tensorboard"))
        return ["train", "--resume", str(run), *curves, "--json"]
    args = [name, *([cell] if cell else []), *flags(name, stage.options)]
    if name == "query":
        return [*args, "--json"]
    if name == "train":
        return [*args, "-o", str(run), "--json"]
    cell_file = folder / "cell.json"
    args += ["-o", str(cell_file), "--json"]
    if name == "prune" and "at" in stage.options:
        args += ["--run", str(Path(cell).parent / "run")]
    goes_on = False
    if keeps_history(name, stage.options):
        args += ["--run", str(run)]
        goes_on = has_checkpoint(run)
    elif name == "search-topology":
        goes_on = journal_of(cell_file).exists() or seeds_folder(cell_file).exists()
    return [*args, "--resume"] if goes_on else args
