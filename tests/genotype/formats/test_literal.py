"""Python literals out of other people's files: what is a value, how large it may be, and where a text is wrong."""

from typing import Any

import pytest

from ftso_cli.errors import GenotypeError
from ftso_cli.genotype import formats
from ftso_cli.genotype.formats.literal import DEPTH, DIGITS, NODES, GenotypeText, find_genotypes, literal

VALUES: dict[str, Any] = {
    "[None, True, False]": [None, True, False],
    "(1, -2, .5, -1.5e-3)": [1, -2, 0.5, -0.0015],
    "{'a': {\"b\": ()}}": {"a": {"b": []}},
    "[range(2), range(1, 3), range(0), range(0, 0)]": [[0, 1], [1, 2], [], []],
    "[list(range(2)), tuple([1]), list((2, 3))]": [[0, 1], [1], [2, 3]],
    "  [1,  # one\n 2]  ": [1, 2],
}


@pytest.mark.parametrize("text", VALUES)
def test_a_literal_has_its_value(text: str) -> None:
    assert literal(text) == VALUES[text]


@pytest.mark.parametrize("text", ["", "  ", "1", "'a'", "range(2)", "[1] [2]", "[1] + 2", "[1],"])
def test_what_is_not_one_list_is_refused(text: str) -> None:
    with pytest.raises(GenotypeError, match="is not one list, tuple or dictionary"):
        literal(text)


WRONG = {
    "[\n\nlambda: 1]": "line 3: has code in it (lambda), and only values are read",
    "[\nnot 1]": "line 2: has code in it (not)",
    "[\n[1](2)]": "line 2: calls or indexes a value",
    "[\n'a'[0]]": "line 2: calls or indexes a value",
    "[\n1[0]]": "line 2: calls or indexes a value",
    "[1,\n2;3]": "line 2: ';' has no place in a genotype",
    "[1,\n(2": "line 1: a bracket is opened and never closed",
    "{1: 2}": "a dictionary with a key that is no text",
    "[open]": "has 'open' where a value is expected, and no code is run",
    "[list(1, 2)]": "has 'list(1, 2)' where a value is expected",
    "[range()]": f"range takes one or two numbers from 0 to {NODES}, not []",
    "[range(1, 2, 3)]": "not [1, 2, 3]",
    "[range('2')]": "not ['2']",
    "[range(-1)]": "not [-1]",
}


@pytest.mark.parametrize("text", WRONG)
def test_what_is_no_value_is_refused_with_its_line_and_the_reason(text: str) -> None:
    with pytest.raises(GenotypeError) as caught:
        literal(text)
    assert WRONG[text] in str(caught.value)


@pytest.mark.parametrize(
    ("largest", "larger"),
    [
        ("[" * DEPTH + "]" * DEPTH, "[" * (DEPTH + 1) + "]" * (DEPTH + 1)),
        (f"[{'9' * DIGITS}]", f"[{'9' * (DIGITS + 1)}]"),
        (f"[range({NODES})]", f"[range({NODES + 1})]"),
    ],
)
def test_depth_digits_and_ranges_have_a_bound_that_is_allowed(largest: str, larger: str) -> None:
    assert literal(largest)
    with pytest.raises(GenotypeError):
        literal(larger)


def test_a_long_text_is_no_long_number() -> None:
    assert literal(f"['{'a' * (DIGITS + 1)}', {'b' * 5}]".replace("bbbbb", "True")) == ["a" * (DIGITS + 1), True]


def test_genotypes_are_found_with_their_names_but_not_in_comments_and_classes() -> None:
    text = (
        "# Genotype(old=[])\n"
        "class Genotype(NamedTuple):\n"
        "    pass\n"
        "   # G = Genotype(older=[])\n"
        "FIRST = Genotype(normal=[])\n"
        "found: Genotype(normal=[1])\n"
        "  Genotype (normal=[2])"
    )
    assert find_genotypes(text) == [
        GenotypeText(name="FIRST", text="Genotype(normal=[])"),
        GenotypeText(name="found", text="Genotype(normal=[1])"),
        GenotypeText(name=None, text="Genotype(normal=[2])"),
    ]


def test_twenty_genotypes_are_listed_in_full() -> None:
    for count, end in ((20, "19, 20; say which"), (21, r"19, 20, \.\.\.; say which")):
        with pytest.raises(GenotypeError, match=end):
            formats.import_genotype_text("Genotype()\n" * count)
