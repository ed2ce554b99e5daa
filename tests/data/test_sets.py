"""Sets by name, and what is said where a name or a folder is wrong."""

import pytest
import torch

from ftso_cli.data import open_images
from ftso_cli.data.sets import data_folder
from ftso_cli.data.sources import ArraySource
from ftso_cli.errors import DataError, SettingsError
from tests.data.images import write_folder


def test_digits_are_those_of_scikit_learn():
    from sklearn.datasets import load_digits

    digits = load_digits()
    data = open_images("digits")
    assert (data.channels, data.image_size, data.flip) == (1, (8, 8), False)
    assert data.classes == tuple("0123456789")
    images = torch.cat([part.read(torch.arange(len(part))) for part in (data.train, data.test)])
    ours = {(tuple(image.flatten().tolist()), label) for image, label in zip(images, labels_of(data), strict=True)}
    theirs = {
        (tuple((image * 255 / 16).round().astype(int).flatten().tolist()), int(label))
        for image, label in zip(digits.images, digits.target, strict=True)
    }
    assert ours == theirs and len(images) == 1797


def labels_of(data) -> list[int]:
    return torch.cat([data.train.labels, data.test.labels]).tolist()


def test_digits_are_split_alike_every_time_with_every_class_in_both_parts():
    first, second = open_images("digits"), open_images("digits")
    assert torch.equal(first.test.labels, second.test.labels)
    assert len(first.test) == pytest.approx(0.2 * 1797, abs=1)
    assert torch.bincount(first.test.labels).min() > 30


def test_images_of_a_named_set_are_resized_where_asked():
    small, large = open_images("digits"), open_images("digits", image_size=16)
    assert large.image_size == (16, 16)
    images = large.train.read(torch.arange(5))
    assert images.shape == (5, 1, 16, 16) and images.dtype == torch.uint8
    means = small.train.read(torch.arange(5)).float().mean(dim=(1, 2, 3))
    assert torch.allclose(images.float().mean(dim=(1, 2, 3)), means, atol=4)


def test_loading_all_resizes_once_and_changes_nothing():
    data = open_images("digits", image_size=16)
    before = data.train.read(torch.arange(len(data.train)))
    calls: list[tuple[int, int]] = []
    data.train.load_all(lambda done, total: calls.append((done, total)))
    assert torch.equal(data.train.read(torch.arange(len(data.train))), before)
    assert calls[-1] == (len(data.train), len(data.train))


def test_labels_that_do_not_fit_the_images_are_refused():
    with pytest.raises(DataError, match="3 images but 2 labels"):
        ArraySource(torch.zeros(3, 1, 8, 8, dtype=torch.uint8), torch.zeros(2, dtype=torch.int64))


def test_an_unknown_set_names_the_nearest_one_and_the_folder_form():
    with pytest.raises(DataError, match=r"unknown data set 'cifar', did you mean cifar10\?.*DIR/train/CLASS.*digits"):
        open_images("cifar")


@pytest.mark.parametrize("data", ["", "no/such/folder", "~nobody-here/x", "a\nb", "\0", "x" * 5000])
def test_what_is_neither_name_nor_folder_is_refused_on_one_line(data):
    with pytest.raises(DataError, match="no such folder" if "/" in data else "unknown data set") as caught:
        open_images(data)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ("photoz", "'photoz': no such folder, did you mean photos?"),
        ("Photos/trian", "'Photos/trian': no such folder; give one with"),
        ("photos/trian", "'photos/trian': no such folder, did you mean photos/train?"),
        ("CIFAR10", "unknown data set 'CIFAR10', did you mean cifar10? Known"),
        ("digitz", "unknown data set 'digitz', did you mean digits? Known"),
    ],
)
def test_a_name_with_a_typo_is_told_from_a_folder_with_one(data, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos" / "train").mkdir(parents=True)
    with pytest.raises(DataError) as caught:
        open_images(data)
    assert str(caught.value).startswith(says)


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "images.zip").write_bytes(b"PK")
    with pytest.raises(DataError, match="is a file; unpack it"):
        open_images(str(tmp_path / "images.zip"))


def test_imagenet_says_which_folder_to_give():
    with pytest.raises(DataError, match=r"DIR/train/CLASS.*DIR/val/CLASS"):
        open_images("imagenet")


def test_imagenet_is_read_from_the_data_folder(tmp_path, monkeypatch):
    write_folder(tmp_path / "imagenet", {"train/cat": 2, "train/dog": 2, "val/cat": 1, "val/dog": 1})
    monkeypatch.setenv("FTSO_DATA", str(tmp_path))
    data = open_images("imagenet", image_size=8)
    assert (data.name, data.classes, len(data.final)) == ("imagenet", ("cat", "dog"), 2)


def test_a_name_comes_before_a_folder_of_that_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_folder(tmp_path / "digits", {"cat": 5, "dog": 5})
    assert len(open_images("digits").classes) == 10
    assert open_images("./digits").classes == ("cat", "dog")


def test_a_folder_in_the_home_folder_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    write_folder(tmp_path / "pets", {"cat": 5, "dog": 5})
    assert open_images("~/pets").classes == ("cat", "dog")


@pytest.mark.parametrize("size", [-1, 0, 3, 1025])
def test_an_image_size_outside_its_range_is_refused(size):
    with pytest.raises(SettingsError, match="between 4 and 1024"):
        open_images("digits", image_size=size)


def test_downloads_go_where_the_environment_says(tmp_path, monkeypatch):
    monkeypatch.setenv("FTSO_DATA", str(tmp_path))
    assert data_folder() == tmp_path
    monkeypatch.delenv("FTSO_DATA")
    assert data_folder().name == "ftso"


def test_a_set_without_held_out_images_says_so():
    from dataclasses import replace

    with pytest.raises(DataError, match="no test images"):
        _ = replace(open_images("digits"), test=None).final
