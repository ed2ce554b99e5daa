"""Texts that are meant to harm: nothing of them is run, and each is refused on one line, in no time."""

import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftso_cli.errors import FtsoError
from ftso_cli.genotype import formats, library
from tests.nats import FTSO
from tests.strategies import JSON

CELL = "[('sep_conv_3x3', 0), ('sep_conv_3x3', 1)]"
MILLION = 1_000_000


def genotype(normal: str, concat: str = "[2]") -> str:
    return f"Genotype(normal={normal}, normal_concat={concat}, reduce={CELL}, reduce_concat=[2])"


def edges(normal: str) -> str:
    return f'{{"normal": {normal}, "normal_concat": [2], "reduce": [["none", 0, 2]], "reduce_concat": [2]}}'


HOSTILE = {
    # Code
    "an import": genotype("__import__('os').system('touch PWNED')"),
    "a call": genotype("open('PWNED', 'w')"),
    "a call of a call": genotype("open('PWNED', 'w')()"),
    "a lambda": genotype("(lambda: open('PWNED', 'w'))()"),
    "a comprehension": genotype("[open('PWNED', 'w') for x in (1,)]"),
    "a call in a range": genotype(CELL, "range(open('PWNED', 'w'))"),
    "a call in a list": genotype(CELL, "list(open('PWNED', 'w'))"),
    "an f-string": genotype("[(f'{open(1)}', 0), ('none', 1)]"),
    "bytes": genotype("[(b'none', 0), ('none', 1)]"),
    "a name": genotype("[(none, 0), ('none', 1)]"),
    "an assignment": genotype("(x := 3)"),
    "keywords from a dictionary": "Genotype(**{'normal': 1})",
    "arguments from a list": "Genotype(*[1])",
    "a call in a dictionary": "{'normal': open('PWNED', 'w')}",
    "a key that is a call": "{open('PWNED', 'w'): 1}",
    "a set": "{1, 2}",
    # Depth
    "brackets": "[" * MILLION,
    "closed brackets": "[" * 400_000 + "]" * 400_000,
    "braces": "{" * MILLION,
    "nested genotypes": "Genotype(" * 100_000,
    "brackets in a genotype": "Genotype(" + "[" * (MILLION - 20),
    "more brackets than are read": "Genotype(" + "[" * MILLION,
    "calls of calls": "Genotype" + "()" * 400_000,
    "calls of calls inside": "Genotype(f" + "()" * 400_000 + ")",
    "not not not": "Genotype(" + "not " * 200_000 + "1)",
    "minus minus minus": "Genotype(" + "-" * 500_000 + "1)",
    "attributes": "Genotype(a" + ".a" * 400_000 + ")",
    "sums": "Genotype(" + "1+" * 400_000 + "1)",
    "strings side by side": "Genotype(" + "'a' " * 200_000 + ")",
    "JSON objects": '{"normal":' * 300_000,
    "JSON lists": '{"normal":' + "[" * 400_000 + "]" * 400_000 + "}",
    # Size
    "a long number": genotype(f"[('none', {'9' * 500_000}), ('none', 0)]"),
    "a long number in JSON": edges(f'[["none", 0, {"9" * 900_000}]]'),
    "a number of 4000 digits in JSON": edges(f'[["none", 0, {"9" * 4000}]]'),
    "a long range": genotype(CELL, "range(1000000000000)"),
    "a long range from two": genotype(CELL, "range(2, 1000000000000)"),
    "a backward range": genotype(CELL, "range(-1000000000000, 5)"),
    "a range of text": genotype(CELL, "range('a')"),
    "a string without end": "Genotype('" + "a" * 900_000,
    "many strings": "Genotype(" + "'a', " * 150_000 + ")",
    "many genotypes": "Genotype() " * 90_000,
    "a long word": "a" * (MILLION - 10),
    "a long blank": "a" + " " * (MILLION - 20) + "Genotype",
    "many words": "a " * 499_000,
    "many bars": "|a~0|+" * 160_000,
    "a long string": "|" * (MILLION - 10),
    "many words and bars": "a|" * 499_000,
    "many edges": genotype("[" + "('none', 0), " * 20_000 + "]"),
    "many edges in JSON": edges("[" + ",".join(['["none",0,2]'] * 180_000) + "]"),
    "many keys in JSON": "{" + ",".join(f'"k{at}": 0' for at in range(200_000)) + "}",
    "more JSON than is read": edges("[" + " " * 4_000_001 + "]"),
    # Signs
    "a null byte": "Genotype(\0)",
    "an escape": "Genotype(\x1b[31m)",
    "digits of another script": genotype("[('none', ٣), ('none', 0)]"),
    "half a character": edges('[["\\ud800", 0, 2]]'),
    "not a number": edges('[["none", 0, NaN]]'),
    "a node that is infinite": edges('[["none", 0, Infinity]]'),
    "a backslash": genotype("[('no\\x6ee', 0), ('none', 1)]"),
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_text_is_refused_on_one_line_and_runs_nothing(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    started = time.process_time()
    with pytest.raises(FtsoError) as caught:
        formats.import_genotype_text(text)
    assert time.process_time() - started < 60
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 400
    assert list(tmp_path.iterdir()) == []


@given(st.text())
def test_no_text_makes_more_than_an_error(text: str) -> None:
    for start in ("", "Genotype(", "{", "["):
        try_to_read(start + text)


@given(st.sampled_from(list(formats.FORMATS)), st.data())
def test_no_damage_to_a_good_text_makes_more_than_an_error(name: str, data: st.DataObject) -> None:
    text = FTSO if name == "nats" else formats.export_genotype_text(library.load_genotype("pdarts"), name)[0]
    at = data.draw(st.integers(0, len(text)))
    gone = data.draw(st.integers(0, 20))
    new = data.draw(
        st.sampled_from(
            ["", "|", "~", "+", "(", "]", "{", ",", "'", '"', "9", "-", "None", "null", "range(", "\\", "\0", "=", "é"]
        )
    )
    try_to_read(text[:at] + new + text[at + gone :])


@given(JSON, st.sampled_from(["normal", "normal_concat", "reduce", "reduce_concat", "stage", "searched_ops", "format"]))
def test_no_json_makes_more_than_an_error(value: object, name: str) -> None:
    for known in ("edges", "nni", "node-link"):
        content = json.loads(formats.export_genotype_text(library.load_genotype("pdarts"), known)[0])
        try_to_read(json.dumps({**content, name: value}))


@given(JSON, st.sampled_from(["directed", "graph", "nodes", "edges", "links"]))
def test_no_graph_makes_more_than_an_error(value: object, name: str) -> None:
    content = json.loads(formats.export_genotype_text(library.load_genotype("pdarts"), "node-link")[0])
    content["normal"][name] = value
    try_to_read(json.dumps(content))


def try_to_read(text: str) -> None:
    """Reads a text as every format; whatever is raised but `FtsoError` fails the test."""
    for name in (None, *formats.FORMATS):
        for dialect in formats.DIALECTS:
            try:
                formats.import_genotype_text(text, name, dialect=dialect)
            except FtsoError as error:
                assert "\n" not in str(error)
