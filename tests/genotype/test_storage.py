"""Genotype files: what is written can be read again without loss, and nothing else can be read."""

import io
import json
import os
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftso_cli.errors import FileError, GenotypeError
from ftso_cli.genotype import Cell, Genotype, Step, Times, formats, library, storage
from tests.strategies import genotypes

SCHEMA = storage.json_schema()
FOLDER = Path(__file__).parents[2] / "genotypes"


@given(genotypes())
def test_a_genotype_comes_back_from_its_text_as_it_was(genotype: Genotype) -> None:
    text = storage.genotype_json(genotype)
    back = storage.parse_genotype(text.encode(), "text")
    assert back == genotype
    assert storage.genotype_json(back) == text


@given(st.data())
def test_the_text_does_not_depend_on_the_order_that_edges_were_given_in(data: st.DataObject) -> None:
    genotype = data.draw(genotypes(nodes=(2, 4), history=False))
    shuffled = {
        kind: Cell(edges=tuple(data.draw(st.permutations(cell.edges))), concat=cell.concat)
        for kind, cell in genotype.cells.items()
    }
    assert storage.genotype_json(genotype.replace(cells=shuffled)) == storage.genotype_json(genotype)


@given(genotypes())
def test_the_text_is_strict_json_that_the_published_schema_accepts(genotype: Genotype) -> None:
    def refuse(word: str) -> None:
        raise AssertionError(word)

    document = json.loads(storage.genotype_json(genotype), parse_constant=refuse)
    jsonschema.Draft202012Validator(SCHEMA).validate(document)


def test_the_published_schema_is_a_valid_schema_and_allows_nothing_unknown() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    objects = [SCHEMA, *SCHEMA["$defs"].values()]
    assert all(part["additionalProperties"] is False for part in objects if part.get("type") == "object")


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("weight",), 1),
        (("format",), "ftso-genotype/2"),
        (("stage",), "finished"),
        (("cells", "normal", "edges", 0, "source"), -1),
        (("cells", "normal", "edges", 0, "source"), "0"),
        (("cells", "normal", "edges", 0, "beta"), "0.5"),
        (("cells", "normal", "edges", 0, "op"), ""),
        (("cells", "normal", "concat"), []),
        (("cells", "normal", "edges"), []),
    ],
)
def test_the_published_schema_refuses_what_reading_refuses(
    searched: Genotype, place: tuple[str | int, ...], value: object
) -> None:
    document = json.loads(storage.genotype_json(searched))
    spot: Any = document
    for part in place[:-1]:
        spot = spot[part]
    spot[place[-1]] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, SCHEMA)
    with pytest.raises(GenotypeError):
        storage.parse_genotype(json.dumps(document).encode(), "text")


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.json")), ids=lambda path: path.stem)
def test_every_published_cell_is_a_file_in_the_canonical_form(path: Path) -> None:
    genotype = storage.read_genotype(path)
    assert storage.genotype_json(genotype) == path.read_text(encoding="utf-8")
    jsonschema.validate(json.loads(path.read_bytes()), SCHEMA)


def test_an_edge_takes_one_line_and_defaults_are_left_out(searched: Genotype) -> None:
    lines = storage.genotype_json(searched).splitlines()
    assert '        {"source": 0, "target": 2, "op": "skip_connect", "beta": 0.1},' in lines
    assert not any("kept" in line or "null" in line for line in lines)
    assert lines[-1] == "}"


def test_a_file_written_is_the_file_read(searched: Genotype, tmp_path: Path) -> None:
    path = tmp_path / "celle ö 细胞.json"
    storage.write_genotype(searched, path)
    assert storage.read_genotype(path) == searched
    assert path.read_bytes() == storage.genotype_json(searched).encode()
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_two_equal_steps_differ_in_the_file_only_in_times(searched: Genotype) -> None:
    step = Step(command="prune", settings={"keep": 2})
    one = searched.with_step(step, Times(started="2024-01-01T00:00:00", seconds={"edit": 0.1}))
    two = searched.with_step(step, Times(started="2025-05-05T05:05:05", seconds={"edit": 0.9}))
    texts = [json.loads(storage.genotype_json(genotype)) for genotype in (one, two)]
    assert texts[0] != texts[1]
    for text in texts:
        del text["times"]
    assert texts[0] == texts[1]


# Standard input and output


def test_a_genotype_can_come_from_standard_input(searched: Genotype, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(storage.genotype_json(searched).encode())))
    assert storage.read_genotype(Path("-")) == searched


def test_faults_on_standard_input_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"{}")))
    with pytest.raises(GenotypeError, match=r"^standard input: format: is missing"):
        storage.read_genotype(Path("-"))


def test_standard_output_gets_utf_8_whatever_its_encoding_is(
    searched: Genotype, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Step(command="prune", notes=("β ← 细胞",))
    genotype = searched.with_step(step, Times(started="now"))
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    storage.write_genotype(genotype, Path("-"))
    assert stream.buffer.getvalue() == storage.genotype_json(genotype).encode()


# Files that are no genotype


def refusal(content: bytes) -> str:
    """The message that `content` is refused with."""
    with pytest.raises((GenotypeError, FileError)) as caught:
        storage.parse_genotype(content, "cell.json")
    message = str(caught.value)
    assert message.startswith("cell.json: ")
    assert message.isprintable()
    assert len(message) < 300
    return message


@pytest.mark.parametrize(
    ("old", "twice"),
    [
        ('"stage":', '"stage": "complete", "stage":'),
        ('"op":', '"\\u006fp": "none", "op":'),
        ('"beta":', '"beta": 1e5, "beta":'),
    ],
)
def test_a_key_that_stands_twice_is_refused_by_all_who_read_it(searched: Genotype, old: str, twice: str) -> None:
    text = storage.genotype_json(searched).replace(old, twice, 1)
    key = old.strip(':"')
    assert refusal(text.encode()) == f"cell.json: {key}: stands twice in one object"
    python = text.replace('"', "'").replace("\\u006f", "o")
    for other in (text, python):
        with pytest.raises(GenotypeError, match=f"the key '{key}' stands twice in one object"):
            formats.import_genotype_text(other)


@pytest.mark.parametrize("content", [b"", b" \n\t\r\n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_called_empty(content: bytes) -> None:
    assert refusal(content) == "cell.json: is empty"


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"not json",
        b"{'format': 'ftso-genotype/1'}",
        b"Genotype(normal=[('sep_conv_3x3', 1)], normal_concat=range(2, 6))",
        b"\x00" * 1000,
        b"\x89PNG\r\n\x1a\n" + bytes(range(256)),
        b'{"space": "\xff\xfe"}',
        b'{"space": "\\ud800"}',
        b'{"format": "ftso-genotype/1"}{}',
    ],
)
def test_what_is_not_json_is_refused_with_the_place_and_a_hint(content: bytes) -> None:
    message = refusal(content)
    assert "Invalid JSON: " in message
    assert "at line 1 column" in message or "line" in message
    assert "ftso import reads other formats" in message


def test_a_byte_order_mark_before_utf_8_is_taken_off(searched: Genotype) -> None:
    assert storage.parse_genotype(b"\xef\xbb\xbf" + storage.genotype_json(searched).encode(), "cell.json") == searched


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_utf_16_is_refused_by_name_where_it_says_what_it_is(searched: Genotype, encoding: str) -> None:
    message = refusal(storage.genotype_json(searched).encode(encoding))
    assert "UTF-16" in message or "Invalid JSON" in message
    if encoding == "utf-16":
        assert message == "cell.json: is UTF-16 text; save it as UTF-8"


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'{"cells":{"normal":{"edges":[['])
def test_deep_nesting_is_refused_not_recursed_into(opening: bytes) -> None:
    assert "Invalid JSON: recursion limit exceeded" in refusal(opening * 100_000)


def test_deep_nesting_that_json_allows_can_be_written_again(searched: Genotype) -> None:
    deep: Any = 1.5
    for _ in range(150):
        deep = [deep]
    genotype = searched.with_step(Step(command="x", settings={"deep": deep}), Times(started="now"))
    assert storage.parse_genotype(storage.genotype_json(genotype).encode(), "text") == genotype


def test_a_number_of_thousands_of_digits_is_refused(searched: Genotype) -> None:
    text = storage.genotype_json(searched).replace('"beta": 0.1}', f'"beta": {"9" * 100_000}}}', 1)
    assert "cell.json: " in refusal(text.encode())


def test_a_file_of_20_mb_is_refused_without_reading_on(searched: Genotype, tmp_path: Path) -> None:
    path = tmp_path / "large.json"
    path.write_bytes(storage.genotype_json(searched).encode() + b" " * 20_000_000)
    with pytest.raises(FileError, match=r"large\.json: larger than 16 MB, which no file of this kind is$"):
        storage.read_genotype(path)
    with pytest.raises(FileError, match=r"^standard input: larger than 16 MB, which no genotype is$"):
        storage.parse_genotype(path.read_bytes(), "standard input")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"can't be read \(Is a directory\)$"):
        storage.read_genotype(tmp_path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"nothing\.json: no such file$"):
        storage.read_genotype(tmp_path / "nothing.json")


def test_an_endless_file_is_refused(tmp_path: Path) -> None:
    if not os.path.exists("/dev/zero"):
        pytest.skip("no /dev/zero on this system")
    with pytest.raises(FileError, match="larger than 16 MB"):
        storage.read_genotype(Path("/dev/zero"))


@given(st.data())
def test_no_damage_to_a_file_gives_anything_but_a_refusal_or_a_valid_genotype(data: st.DataObject) -> None:
    content = bytearray(
        storage.genotype_json(data.draw(genotypes(nodes=(2, 3), inputs=(1, 2), history=False))).encode()
    )
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place : place + data.draw(st.integers(0, 5))] = data.draw(st.binary(max_size=3))
    try:
        genotype = storage.parse_genotype(bytes(content), "cell.json")
    except GenotypeError as error:
        assert "\n" not in str(error)
    else:
        assert storage.parse_genotype(storage.genotype_json(genotype).encode(), "again") == genotype


def test_the_library_reads_the_same_files() -> None:
    if not library.files():
        pytest.skip("no published cells here")
    for name, path in library.files().items():
        assert library.load_genotype(name) == storage.read_genotype(path)


def test_the_schema_says_what_it_is() -> None:
    assert SCHEMA["$schema"] == jsonschema.Draft202012Validator.META_SCHEMA["$id"]
    assert SCHEMA["title"] == "ftso genotype"


def test_a_step_of_history_comes_with_what_it_changed(searched: Genotype) -> None:
    done = searched.with_step(Step(command="prune", settings={}), Times(started="now"), stage="pruned")
    assert (done.stage, [step.command for step in done.history], len(done.times)) == ("pruned", ["prune"], 1)


def test_of_two_problems_the_first_is_told_and_the_other_counted() -> None:
    with pytest.raises(GenotypeError, match=r"^x: stage: .* \(and 1 more\)$"):
        storage.parse_genotype(b'{"format": "ftso-genotype/1", "space": "darts", "stage": 1, "cells": 2}', "x")


def test_only_what_another_tool_may_have_written_is_said_to_be_of_another_format() -> None:
    contents = ((b"Genotype(", True), (b"[]", True), (b'{"normal": [], "reduce": []}', True), (b"{}", False))
    for content, hinted in (*contents, (b'{"format": "ftso-genotype/1", "normal": []}', False)):
        with pytest.raises(GenotypeError) as caught:
            storage.parse_genotype(content, "x")
        assert ("ftso import reads other formats" in str(caught.value)) == hinted


def test_a_genotype_of_another_tool_is_told_by_what_it_has() -> None:
    with pytest.raises(GenotypeError) as caught:
        storage.parse_genotype(json.dumps({"normal": [["skip_connect", 0]], "normal_concat": [2]}).encode(), "a.json")
    assert str(caught.value) == (
        "a.json: is no genotype file of ftso: no format, but 'normal, normal_concat'; ftso import reads other formats"
    )
