"""A few hostile inputs through whole commands; `python -m tests.fuzz.commands` tries many more."""

from pathlib import Path

from tests.fuzz.commands import attack
from tests.fuzz.corpus import KINDS


def test_no_hostile_input_makes_a_command_do_more_than_be_refused(tmp_path: Path) -> None:
    tally = attack(tmp_path, range(80), 11, timed=False)
    assert tally.broken == []
    assert set(tally.kinds) == set(KINDS) and set(tally.statuses) <= {"0", "1", "2", "130"}
    assert tally.statuses["0"] > 10 and tally.statuses["1"] > 10
