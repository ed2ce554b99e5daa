"""A share of the training images is laid aside for validation: of each class, the same each time, in no other part."""

import os
from collections import Counter
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ftso_cli.data import ImageData, hold_out, open_images, read_held_out, read_training_images, record_of
from ftso_cli.data.record import ImageRecord
from ftso_cli.errors import DataError, SettingsError
from tests.data.images import write_fashion, write_folder

SHARES = (0.0, 0.1, 0.25, 0.5, 0.85)


def names(data: ImageData) -> list[set[str]]:
    """The files of each part, below the folder."""
    parts = [part for part in (data.train, data.val, data.test) if part is not None]
    return [{os.path.relpath(path, data.root) for path in part.paths} for part in parts]


def check_disjoint(data: ImageData, among: int) -> None:
    found = names(data)
    assert sum(map(len, found)) == len(set().union(*found)) == among


def test_a_share_of_each_class_is_laid_aside_and_always_the_same(tmp_path: Path) -> None:
    write_folder(tmp_path, {"cat": 50, "dog": 25})
    first, second = (open_images(str(tmp_path), validation=0.25) for _ in range(2))
    assert first.val is not None and second.val is not None
    assert [torch.bincount(part.labels).tolist() for part in (first.train, first.val, first.final)] == [
        [30, 15],
        [10, 5],
        [10, 5],
    ]
    assert first.val.paths == second.val.paths and first.val_share == 0.25
    assert first.val_from == f"25 % of each class of {tmp_path}"
    check_disjoint(first, 75)
    assert names(open_images(str(tmp_path)))[1] == names(first)[2]


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("parts", [(), ("train",), ("train", "test"), ("train", "val"), ("train", "val", "test")])
def test_no_image_is_in_two_parts_of_any_layout(tmp_path: Path, parts: tuple[str, ...], share: float) -> None:
    counts = {os.path.join(part, name): 12 for part in parts or ("",) for name in "abc"}
    data = open_images(str(write_folder(tmp_path, counts)), validation=share)
    check_disjoint(data, sum(counts.values()))
    assert (data.val is not None) == bool(share or {"val", "test"} <= set(parts))
    assert set(data.train.labels.tolist()) == {0, 1, 2}


def test_a_folder_for_validation_is_used_as_it_is(tmp_path: Path) -> None:
    write_folder(tmp_path, {"train/cat": 10, "train/dog": 10, "valid/cat": 2, "valid/dog": 3})
    data = open_images(str(tmp_path), validation=0.5)
    assert data.val is not None
    assert (len(data.train), len(data.val), len(data.final)) == (16, 5, 4)
    assert (data.val_from, data.val_share) == (str(tmp_path / "valid"), 0)
    assert data.test_from == f"a fifth of each class of {tmp_path}"


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=8), st.floats(0.01, 0.899))
def test_every_class_keeps_an_image_for_training(counts: list[int], share: float) -> None:
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    stay, held = hold_out(labels, share, seed=1)
    assert len(stay) + len(held) == len(labels)
    left, laid_aside = Counter(labels[stay].tolist()), Counter(labels[held].tolist())
    for label, count in enumerate(counts):
        assert left[label] >= 1
        assert laid_aside[label] <= count * share + 1


def test_a_share_of_which_no_image_is_left_is_refused_in_a_line_that_says_what_to_do(tmp_path: Path) -> None:
    write_folder(tmp_path, {"train/cat": 1, "train/dog": 1, "test/cat": 1})
    with pytest.raises(DataError, match=r"2 training images of 2 classes are too few to lay 0\.1 of them aside"):
        open_images(str(tmp_path), validation=0.1)
    with pytest.raises(SettingsError, match="between 0 and 1"):
        open_images(str(tmp_path), validation=-0.1)


@pytest.mark.parametrize("name", ["digits", "fashion-mnist"])
def test_sets_that_are_no_files_are_divided_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("FTSO_DATA", str(tmp_path))
    write_fashion(tmp_path, tuple(range(10)) * 20)
    whole, data = open_images(name), open_images(name, validation=0.1)
    assert data.val is not None
    parts = [part.read(torch.arange(len(part))) for part in (data.train, data.val)]
    pixels = Counter(image.numpy().tobytes() for part in parts for image in part)
    assert pixels == Counter(image.numpy().tobytes() for image in whole.train.read(torch.arange(len(whole.train))))
    assert torch.equal(data.final.labels, whole.final.labels)
    shares = torch.bincount(data.val.labels) / torch.bincount(whole.train.labels)
    assert torch.allclose(shares, torch.full((10,), 0.1), atol=0.01)
    again = open_images(name, validation=0.1).val
    assert again is not None and torch.equal(again.read(torch.arange(9)), data.val.read(torch.arange(9)))


def test_broken_validation_images_are_skipped_and_named(tmp_path: Path) -> None:
    write_folder(tmp_path, {f"{part}/{name}": 4 for part in ("train", "val", "test") for name in ("cat", "dog")})
    (tmp_path / "val/cat/001.png").write_bytes(b"none")
    data = read_held_out(read_training_images(open_images(str(tmp_path))))
    assert data.val is not None and len(data.val) == 7
    assert list(data.skipped.broken) == [str(tmp_path / "val/cat/001.png")]
    assert record_of(data).broken == ("val/cat/001.png",) and "val/cat/001.png" not in record_of(data).val
    for path in (tmp_path / "val").rglob("*.png"):
        path.write_bytes(b"none")
    with pytest.raises(DataError, match=r"none of the 8 validation images can be read; the first: .*val/cat/000.png"):
        read_held_out(open_images(str(tmp_path)))


def test_another_share_divides_the_recorded_images_as_if_it_were_new(tmp_path: Path) -> None:
    write_folder(tmp_path, {"b a": 20, "b": 30, "ä": 10})
    recorded = {share: record_of(open_images(str(tmp_path), validation=share)) for share in SHARES}
    for record in recorded.values():
        for share, other in recorded.items():
            assert record.divided(str(tmp_path), share) == other
    own = record_of(
        open_images(
            str(write_folder(tmp_path / "own", {f"{p}/{n}": 3 for p in ("train", "val", "test") for n in "ab"}))
        )
    )
    assert own.val and own.divided("own", 0.5) == own


def test_a_record_with_an_image_in_two_parts_is_refused() -> None:
    for one, other in (("train", "val"), ("val", "test"), ("train", "test")):
        content = {part: {"a/b.png": "0" if part == "test" else 1} for part in (one, other)}
        with pytest.raises(ValueError, match="an image is in two parts"):
            ImageRecord.model_validate({"format": "ftso-images/1", "test_from": "", **content})
