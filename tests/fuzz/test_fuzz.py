"""A few inputs for every target, others each time the code changes; `python -m tests.fuzz.run` tries many more."""

import pickle
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ftso_cli.errors import FtsoError
from tests.fuzz.attack import attack
from tests.fuzz.oracle import BrokenRuleError, judged
from tests.fuzz.targets import TEXTS
from tests.fuzz.trained import TRAINED
from tests.processes import HANG, ROOT

TARGETS = {**TEXTS, **TRAINED}


@pytest.mark.parametrize("name", TARGETS)
# A warning of Pillow, or of torch on numbers that aren't finite, is no failure.
@pytest.mark.filterwarnings("default")
def test_no_input_does_more_than_be_refused(name: str, tmp_path: Path) -> None:
    # The bound of 2 s is for `tests.fuzz.run`, on a machine that does nothing else.
    found = attack(TARGETS[name], tmp_path, TARGETS[name].quick, seconds=HANG)
    assert found["refused"] > TARGETS[name].quick / 10


# The oracle sees what it looks for

FILLING = """
from tests.fuzz.oracle import judged

def fill():
    memory = bytearray(700_000_000)
    memory[::4096] = b"x" * len(range(0, len(memory), 4096))

judged(fill, [], seconds=600)  # Pages may come slowly.
"""


def test_an_error_of_the_users_is_an_outcome_and_any_other_is_raised(tmp_path: Path) -> None:
    def refuse() -> None:
        raise FtsoError("no")

    def fail() -> None:
        raise KeyError("no")

    assert judged(refuse, [tmp_path]) == "refused"
    assert judged(lambda: None, [tmp_path]) == "valid"
    with pytest.raises(KeyError):
        judged(fail, [tmp_path])


def test_writing_elsewhere_is_seen(tmp_path: Path) -> None:
    own, other = tmp_path / "own", tmp_path / "other"
    own.mkdir()
    assert judged(lambda: (own / "a").write_text("a"), [own]) == "valid"
    for harm in (lambda: other.write_text("a"), lambda: other.mkdir(), lambda: (own / "a").rename(tmp_path / "b")):
        with pytest.raises(BrokenRuleError, match=r"other|/b"):
            judged(harm, [own])
        if other.is_file():
            other.unlink()


class Payload:
    """Runs something when it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return eval, ("1 + 1",)


def test_unpickling_running_and_evaluating_are_seen(tmp_path: Path) -> None:
    pickled = pickle.dumps(Payload())
    harms = (lambda: pickle.loads(pickled), lambda: exec("x = 1"), lambda: __import__("os").system("true"))
    for harm, seen in zip(harms, ("pickle.find_class", "exec", "os.system"), strict=True):
        with pytest.raises(BrokenRuleError, match=seen):
            judged(harm, [tmp_path])


def test_what_takes_long_or_much_memory_or_has_no_line_to_say_is_seen(tmp_path: Path) -> None:
    def turn() -> None:
        # Without a system call: the bound counts what a process does itself.
        for _ in range(5_000_000_000):
            pass

    def talk() -> None:
        raise FtsoError("one\ntwo")

    for harm, seen in ((turn, "longer than"), (talk, "no line")):
        with pytest.raises(BrokenRuleError, match=seen):
            judged(harm, [tmp_path])
    # In a process that has not held so much before.
    done = subprocess.run([sys.executable, "-c", FILLING], cwd=ROOT, capture_output=True, text=True, timeout=HANG)
    assert re.search(r"BrokenRuleError: takes \d+ MB$", done.stderr)
