"""Kills or interrupts every writing command at random moments, and sees that nothing is lost and the next run goes on.

    python -m tests.writing.kills [--kills 20] [--signal KILL|INT] [--only train] [--seed 0]

Half of the signals come after a random time, half at a random moment of writing. A table goes to stdout.
"""

import argparse
import random
import shutil
import signal
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import searched_genotype
from tests.forks import Ended, forks
from tests.writing.commands import COMMANDS, OUT, Command, check_whole, files_in, laid_out, leftovers, make_place, same


@dataclass(frozen=True)
class Undisturbed:
    """How a command ends where nothing happens to it."""

    ended: Ended
    files: dict[str, bytes]


class Place:
    """Where commands are tried: `folder` holds what they read, and every trial has a folder of its own."""

    def __init__(self, root: Path, *, with_study: bool = False) -> None:
        self.root = root
        self.folder = root / "place"
        self.folder.mkdir()
        make_place(self.folder, searched_genotype(), with_study=with_study)
        self._undisturbed: dict[str, Undisturbed] = {}

    def new(self, command: Command, out: str = OUT) -> Path:
        """The folder of a trial."""
        folder = self.root / "trial"
        shutil.rmtree(folder, ignore_errors=True)
        laid_out(command, self.folder, folder, out)
        return folder

    def undisturbed(self, name: str) -> Undisturbed:
        """A run of the command that must succeed, and leave its products and nothing for writers alone."""
        if name not in self._undisturbed:
            command = COMMANDS[name]
            folder = self.new(command)
            ended = forks().run(command.trial(folder))
            assert ended.status == 0, ended.err
            self._undisturbed[name] = Undisturbed(ended, files_in(folder / OUT))
            check_result(folder, command, self._undisturbed[name])
        return self._undisturbed[name]

    def kill(
        self, name: str, number: int = signal.SIGKILL, *, seconds: float | None = None, moment: int | None = None
    ) -> bool:
        """Sends the command a signal, looks at what it leaves, and runs it to its end; whether it came in time."""
        command, expected = COMMANDS[name], self.undisturbed(name)
        folder = self.new(command)
        before = files_in(folder / OUT)
        ended = forks().run(command.trial(folder, signal=number, seconds=seconds, moment=moment))
        check_whole(folder / OUT, before)
        if ended.status != 0 and number == signal.SIGINT:
            assert (ended.status, ended.errors, ended.orphans) == (130, ["error: interrupted"], False), ended.err
            assert "Traceback" not in ended.err
            kept = command.resume and (folder / OUT / command.resume).exists()
            assert not kept or "stopped; out/" in ended.err, ended.err
        else:
            assert ended.status in (0, -number), ended.err
        self.finish(name, folder, expected)
        return ended.status != 0

    def finish(self, name: str, folder: Path, expected: Undisturbed) -> None:
        """Runs the command to its end, to what comes of it undisturbed."""
        command = COMMANDS[name]
        if not (command.once and _is_done(folder, command, expected)):
            again = forks().run(command.trial(folder))
            assert again.status == 0, again.err
            check_result(folder, command, expected)


def _is_done(folder: Path, command: Command, expected: Undisturbed) -> bool:
    found = files_in(folder / OUT)
    return all(same(found[name], expected.files[name], name) for name in command.products)


def check_result(folder: Path, command: Command, expected: Undisturbed) -> None:
    """Fails unless the products are there, as they would be without disturbance, and no temporary file is."""
    found = files_in(folder / OUT)
    for product in command.products:
        names = [name for name in expected.files if Path(name).match(product)]
        assert names, product
        for name in names:
            assert name in found and same(found[name], expected.files[name], name), name
    assert not leftovers(folder / OUT)


def main() -> None:
    """Runs the loop and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20, help="of each command (default 20)")
    parser.add_argument("--signal", choices=("KILL", "INT"), default="KILL", help="(default KILL)")
    parser.add_argument("--only", action="append", choices=COMMANDS, help="only this command (repeated)")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    moments, number = random.Random(args.seed), signal.Signals[f"SIG{args.signal}"]
    with tempfile.TemporaryDirectory() as name:
        place = Place(Path(name), with_study=True)
        print("| command | in time | too late | seconds |\n|---|---|---|---|", flush=True)
        for command in args.only or COMMANDS:
            started, whole = time.monotonic(), place.undisturbed(command).ended
            in_time = 0
            for kill in range(args.kills):
                if kill % 2:
                    in_time += place.kill(command, number, moment=moments.randint(1, whole.moments))
                else:
                    in_time += place.kill(command, number, seconds=moments.uniform(0, whole.seconds))
            late = args.kills - in_time
            print(f"| {command} | {in_time} | {late} | {time.monotonic() - started:.0f} |", flush=True)


if __name__ == "__main__":
    main()
