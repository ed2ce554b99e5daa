"""The table of a set counts what is there, and names images for testing that look like training images."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance

from ftso_cli.data import as_imagenet, open_images, read_held_out, read_training_images
from ftso_cli.data import near_duplicates as search
from ftso_cli.data.near_duplicates import find_near_duplicates
from ftso_cli.data.sources import ArraySource
from ftso_cli.data.table import SetTable, describe_set
from tests.data.images import write_folder, write_image


def read(folder: Path, validation: float = 0.0) -> SetTable:
    return describe_set(read_held_out(read_training_images(open_images(str(folder), validation=validation))))


def picture(seed: int, side: int = 64) -> Image.Image:
    """A picture of soft blobs: neighbouring pixels are alike, as in a photograph."""
    small = np.random.default_rng(seed).integers(0, 256, (7, 7, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((side, side), Image.Resampling.BICUBIC)


def write_pictures(folder: Path, parts: dict[str, int]) -> Path:
    for number, (name, count) in enumerate(parts.items()):
        (folder / name).mkdir(parents=True)
        for index in range(count):
            picture(100 * number + index).save(folder / name / f"{index:03}.png")
    return folder


def test_images_are_counted_by_class_and_part(tmp_path: Path) -> None:
    table = read(write_folder(tmp_path, {"cat": 40, "dog": 10}), validation=0.25)
    assert table.classes == ("cat", "dog")
    assert table.counts == {"train": (24, 6), "val": (8, 2), "test": (8, 2)}
    assert (table.answer, table.baseline, table.trained.ratio) == ("cat", 0.8, 4)
    assert table.classes[table.trained.smallest] == "dog"
    facts = table.facts()
    assert facts["classes"] == {"cat": {"train": 24, "val": 8, "test": 8}, "dog": {"train": 6, "val": 2, "test": 2}}
    assert facts["baseline"] == {"class": "cat", "accuracy": 0.8}


def test_sizes_are_those_of_the_files_and_kinds_those_of_their_names(tmp_path: Path) -> None:
    for number, (name, size) in enumerate((("a.JPG", (30, 20)), ("b.jpeg", (90, 10)), ("c.png", (300, 200)))):
        write_image(tmp_path / "train/cat" / name, number, size)
    write_folder(tmp_path, {"train/dog": 2, "test/dog": 2})
    table = read(tmp_path)
    assert table.sizes == ((8, 8), (8, 8), (300, 200)) and table.measured == 7
    assert table.kinds == {"JPEG": 2, "PNG": 5} and table.image_size == (64, 64)


def test_what_is_left_out_is_in_the_facts(tmp_path: Path) -> None:
    write_folder(tmp_path, {"cat": 10, "dog": 10})
    (tmp_path / "cat/notes.txt").write_text("")
    (tmp_path / "cat/broken.png").write_bytes(b"")
    facts = read(tmp_path).facts()
    assert facts["left_out"] == {"other": 1} and facts["broken"] == [str(tmp_path / "cat/broken.png")]


def test_copies_of_training_images_are_found_resized_saved_again_and_brightened(tmp_path: Path) -> None:
    write_pictures(tmp_path, {"train/cat": 30, "train/dog": 30, "val/cat": 5, "test/cat": 12, "test/dog": 12})
    original = Image.open(tmp_path / "train/cat/004.png")
    original.resize((47, 47)).save(tmp_path / "test/cat/100.jpg", quality=40)
    ImageEnhance.Brightness(original).enhance(0.7).save(tmp_path / "test/dog/101.png")
    val, test = read(tmp_path).alike
    assert (val.part, val.found.pairs, val.found.compared, val.found.training) == ("val", (), 5, 60)
    assert (test.part, test.found.compared, test.other_class) == ("test", 26, 1)
    assert sorted(test.names) == [
        ("test/cat/100.jpg", "train/cat/004.png"),
        ("test/dog/101.png", "train/cat/004.png"),
    ]


def test_of_many_pairs_five_are_named(tmp_path: Path) -> None:
    write_pictures(tmp_path, {"train/cat": 30, "train/dog": 30, "test/dog": 3})
    for index in range(9):
        picture(index).save(tmp_path / f"test/dog/copy{index}.png")
    (test,) = read(tmp_path).alike
    assert (len(test.found.pairs), len(test.names), test.other_class) == (9, 5, 9)


def test_frames_of_a_video_are_found_though_many_are_alike() -> None:
    frames = [np.asarray(picture(3, 80).crop((at, 0, at + 64, 64))) for at in range(16)]
    images = torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2)
    labels = torch.zeros(16, dtype=torch.int64)
    odd = ArraySource(images[1::2], labels[1::2])
    (found,) = find_near_duplicates(ArraySource(images[::2], labels[::2]), odd)
    assert len(found.pairs) == len(odd)


def test_shapes_that_all_look_alike_are_no_copies() -> None:
    noise = torch.randn(200, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    shape = torch.zeros(1, 1, 32, 32)
    shape[..., 8:24, 4:28] = 200
    images = (shape + 20 + 30 * noise).clamp(0, 255).to(torch.uint8)
    labels = torch.zeros(200, dtype=torch.int64)
    (found,) = find_near_duplicates(ArraySource(images[50:], labels[50:]), ArraySource(images[:50], labels[:50]))
    assert (found.pairs, found.compared, found.training) == ((), 50, 150)


def test_flat_images_are_alike_to_none() -> None:
    grey = ArraySource(torch.full((8, 3, 32, 32), 128, dtype=torch.uint8), torch.zeros(8, dtype=torch.int64))
    (found,) = find_near_duplicates(grey, grey)
    assert found.pairs == ()


def test_of_very_many_images_a_sample_is_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_pictures(tmp_path, {"train/cat": 30, "train/dog": 30, "test/dog": 20, "test/cat": 20})
    monkeypatch.setattr(search, "MOST_TRAINING", 50)
    monkeypatch.setattr(search, "MOST_PAIRS", 500)
    (test,) = read(tmp_path).alike
    assert (test.found.compared, test.found.training) == (10, 50)


def test_what_is_too_small_or_too_large_to_compare_says_so(tmp_path: Path) -> None:
    (test,) = describe_set(open_images("digits")).alike
    assert "pixels are too few" in test.found.why_not
    framed = as_imagenet(open_images(str(write_folder(tmp_path, {"cat": 10, "dog": 10}, (40, 40)))))
    (test,) = describe_set(framed).alike
    assert "memory doesn't hold" in test.found.why_not and test.found.pairs == ()
