"""Checkpoints are whole or refused, and the one before a damaged one is used."""

from pathlib import Path
from typing import Any

import pytest
import torch

from ftso_cli.errors import RunError
from ftso_cli.nn.checkpoint import Checkpoints, State


def state(number: int) -> State:
    tensors = {"a": torch.full((3, 2), float(number)), "b": torch.arange(5, dtype=torch.uint8), "c": torch.tensor(2)}
    return State(tensors=tensors, values={"rows": [{"loss": 0.1 + number}]})


def same(one: State, other: State) -> bool:
    return one.values == other.values and all(one.tensors[name].equal(other.tensors[name]) for name in one.tensors)


@pytest.fixture
def checkpoints(tmp_path: Path) -> Checkpoints:
    """Three were written; the last two are kept."""
    kept = Checkpoints(tmp_path / "checkpoint.safetensors")
    for number in range(3):
        kept.write(state(number))
    return kept


def test_the_last_is_read_and_the_one_before_is_kept(checkpoints: Checkpoints) -> None:
    found, problem = checkpoints.read()
    assert same(found, state(2)) and problem == ""
    checkpoints.last.unlink()
    found, problem = checkpoints.read()
    assert same(found, state(1)) and "missing" in problem


def damage(content: bytes, how: str) -> bytes:
    header = 8 + int.from_bytes(content[:8], "little")
    match how:
        case "cut":
            return content[:-1]
        case "weights":
            return content[:-6] + bytes([content[-6] ^ 1]) + content[-5:]
        case "metrics":
            return content.replace(b"2.1", b"2.0")
        case "name":
            return content[:header].replace(b'"a":', b'"d":') + content[header:]
        case "checksum":
            return content.replace(b"sha256", b"sha255")
        case _:
            return b""


@pytest.mark.parametrize("how", ["cut", "weights", "metrics", "name", "checksum", "empty"])
def test_a_damaged_one_is_refused_and_gives_its_place_to_the_one_before(checkpoints: Checkpoints, how: str) -> None:
    content = checkpoints.last.read_bytes()
    assert damage(content, how) != content
    checkpoints.last.write_bytes(damage(content, how))
    found, problem = checkpoints.read()
    assert same(found, state(1))
    assert problem.startswith(f"{checkpoints.last}: damaged") and "\n" not in problem
    assert not checkpoints.before.exists()
    assert checkpoints.read()[1] == ""


def test_two_damaged_ones_are_refused(checkpoints: Checkpoints) -> None:
    for path in (checkpoints.last, checkpoints.before):
        path.write_bytes(b"nothing")
    with pytest.raises(RunError, match="train again from the beginning"):
        checkpoints.read()


@pytest.mark.parametrize("values", [[1], None, "text"])
def test_a_sound_checkpoint_whose_values_have_no_names_is_refused(tmp_path: Path, values: Any) -> None:
    kept = Checkpoints(tmp_path / "checkpoint.safetensors")
    kept.write(State(tensors={"a": torch.ones(2)}, values=values))
    with pytest.raises(RunError, match="no checkpoint, it has no values beside its tensors"):
        kept.read()
