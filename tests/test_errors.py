"""The exception tree, and the words that messages share."""

import inspect
import re

import pytest

from ftso_cli import errors
from ftso_cli.errors import FtsoError, short, unknown


def test_the_tree_in_the_docstring_is_the_tree_in_the_code() -> None:
    assert errors.__doc__ is not None
    drawn = re.findall(r"[├└]── (\w+)", errors.__doc__)
    built = [name for name, _ in inspect.getmembers(errors, inspect.isclass) if name.endswith("Error")]
    assert sorted(["FtsoError", *drawn]) == sorted(built)
    for name in drawn:
        assert getattr(errors, name).__bases__ == (FtsoError,)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("prune", "unknown step 'prune', did you mean pruned? Known: pruned, complete"),
        ("COMPLETE", "unknown step 'COMPLETE', did you mean complete? Known: pruned, complete"),
        ("", "unknown step ''. Known: pruned, complete"),
        ("a\nb", "unknown step 'a\\nb'. Known: pruned, complete"),
    ],
)
def test_unknown_values_are_named_with_the_nearest_and_all_valid_ones(value: str, expected: str) -> None:
    assert unknown("step", value, iter(("pruned", "complete"))) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("text", "'text'"),
        (12, "12"),
        ("\x1b[31m", "'\\x1b[31m'"),
        ("x" * 58, repr("x" * 58)),
        ("x" * 59, "'" + "x" * 55 + "...'"),
        (list(range(100)), "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 1...]"),
    ],
)
def test_values_are_quoted_on_one_line_of_at_most_60_characters(value: object, expected: str) -> None:
    assert short(value) == expected
    assert len(short(value)) <= 60
