"""Folders of images: which files are found, what is refused, and what is read when."""

import os
import shutil
import subprocess
import sys
import tarfile
import time
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ftso_cli.data import open_images
from ftso_cli.data.files.folders import FolderSource
from ftso_cli.data.files.frames import Frame
from ftso_cli.data.files.listing import list_images
from ftso_cli.errors import DataError
from tests.data.images import write_folder, write_image

PETS = {"train/cat": 3, "train/dog": 2, "test/cat": 1, "test/dog": 2}
SHARED = Path(__file__).parents[3] / "shared" / "data" / "cifar10-images.tar.gz"


def refusal(folder: Path, **options: int) -> str:
    with pytest.raises(DataError) as caught:
        open_images(str(folder), **options)
    assert str(caught.value).isprintable()
    return str(caught.value)


def all_of(source) -> torch.Tensor:
    return source.read(torch.arange(len(source)))


def test_a_folder_with_train_and_test_is_read_as_it_lies(tmp_path):
    write_folder(tmp_path, {**PETS, "val/dog": 1})
    data = open_images(str(tmp_path))
    assert data.classes == ("cat", "dog")
    assert data.channels == 3 and data.image_size == (8, 8) and data.flip
    assert data.train.labels.tolist() == [0, 0, 0, 1, 1]
    assert data.test.labels.tolist() == [0, 1, 1]
    assert data.val.labels.tolist() == [1]
    assert data.name == str(tmp_path)


def test_images_come_in_the_order_of_class_and_file_name(tmp_path):
    write_folder(tmp_path, PETS)
    images = all_of(open_images(str(tmp_path)).train)
    assert images.dtype == torch.uint8 and images.shape == (5, 3, 8, 8)
    for image, path in zip(images, sorted((tmp_path / "train").rglob("*.png")), strict=True):
        assert np.array_equal(image.permute(1, 2, 0).numpy(), np.asarray(Image.open(path)))


def test_one_level_of_class_folders_gets_a_test_set_that_is_always_the_same(tmp_path):
    write_folder(tmp_path, {"cat": 20, "dog": 10})
    first, second = open_images(str(tmp_path)), open_images(str(tmp_path))
    assert torch.bincount(first.train.labels).tolist() == [16, 8]
    assert torch.bincount(first.test.labels).tolist() == [4, 2]
    assert torch.equal(all_of(first.test), all_of(second.test))
    seen = [image.numpy().tobytes() for part in (first.train, first.test) for image in all_of(part)]
    assert len(set(seen)) == 30


def test_a_folder_with_train_alone_gets_a_test_set_from_it(tmp_path):
    write_folder(tmp_path, {"train/cat": 10, "train/dog": 10})
    data = open_images(str(tmp_path))
    assert (len(data.train), len(data.test), data.val) == (16, 4, None)


def test_with_val_alone_no_training_image_is_laid_aside_and_val_is_the_test_part(tmp_path):
    write_folder(tmp_path, {"train/cat": 3, "train/dog": 3, "val/cat": 1, "val/dog": 1})
    data = open_images(str(tmp_path))
    assert (len(data.train), len(data.test), data.val) == (6, 2, None)
    assert data.test_from == str(tmp_path / "val")


def test_beside_a_test_part_val_is_for_validation(tmp_path):
    write_folder(tmp_path, {**PETS, "val/cat": 1})
    data = open_images(str(tmp_path))
    assert (len(data.train), len(data.test), len(data.val)) == (5, 3, 1)
    assert (data.test_from, data.val_from) == (str(tmp_path / "test"), str(tmp_path / "val"))


def test_a_test_folder_may_lack_a_class_and_labels_stay_right(tmp_path):
    write_folder(tmp_path, {"train/ant": 2, "train/bee": 2, "train/cat": 2, "test/cat": 2})
    assert open_images(str(tmp_path)).test.labels.tolist() == [2, 2]


def test_small_square_images_keep_their_size_and_others_become_64(tmp_path):
    for name, size, expected in (("own", (20, 20), 20), ("wide", (20, 24), 64), ("large", (65, 65), 64)):
        folder = write_folder(tmp_path / name, PETS, size)
        assert open_images(str(folder)).image_size == (expected, expected)
        assert all_of(open_images(str(folder)).train).shape[2:] == (expected, expected)


def test_one_small_image_among_others_does_not_decide_the_size(tmp_path):
    write_folder(tmp_path, {**PETS, "train/dog": 30}, (90, 90))
    write_image(tmp_path / "train/cat/000.png", size=(12, 12))
    assert open_images(str(tmp_path)).image_size == (64, 64)


@pytest.mark.parametrize("side", [1, 3])
def test_a_size_that_is_found_keeps_to_the_bounds_of_one_that_is_given(tmp_path, side):
    assert open_images(str(write_folder(tmp_path, PETS, (side, side)))).image_size == (4, 4)


def test_the_size_can_be_chosen(tmp_path):
    data = open_images(str(write_folder(tmp_path, PETS)), image_size=16)
    assert data.image_size == (16, 16)
    assert all_of(data.test).shape == (3, 3, 16, 16)


def test_images_of_many_sizes_and_kinds_become_one_batch(tmp_path):
    write_folder(tmp_path, PETS)
    write_image(tmp_path / "train/cat/photo.JPG", size=(200, 100))
    Image.new("L", (30, 90), 7).save(tmp_path / "train/cat/scan.tif")
    assert all_of(open_images(str(tmp_path)).train).shape == (7, 3, 64, 64)


def test_hidden_files_other_files_and_folders_in_a_class_are_skipped(tmp_path):
    write_folder(tmp_path, PETS)
    write_image(tmp_path / "train/cat/.hidden.png")
    write_image(tmp_path / "train/.cache/a.png")
    write_image(tmp_path / "train/cat/deeper/a.png")
    (tmp_path / "train/cat/Thumbs.db").write_bytes(b"")
    (tmp_path / "train/cat/folder.png").mkdir()
    (tmp_path / "train/list.txt").write_text("cat dog")
    data = open_images(str(tmp_path))
    assert data.classes == ("cat", "dog") and len(data.train) == 5


def test_links_to_folders_and_files_are_followed(tmp_path):
    write_folder(tmp_path / "real", {"cat": 3, "dog": 2})
    elsewhere = write_image(tmp_path / "elsewhere.png")
    linked = tmp_path / "linked"
    (linked / "train" / "dog").mkdir(parents=True)
    (linked / "train" / "cat").symlink_to(tmp_path / "real" / "cat")
    (linked / "train" / "dog" / "a.png").symlink_to(elsewhere)
    (linked / "test").symlink_to(tmp_path / "real")
    data = open_images(str(linked))
    assert data.train.labels.tolist() == [0, 0, 0, 1]
    assert data.test.labels.tolist() == [0, 0, 0, 1, 1]


def test_links_in_a_circle_do_not_hang(tmp_path):
    write_folder(tmp_path, PETS)
    (tmp_path / "train" / "loop").symlink_to("loop")
    (tmp_path / "train" / "cat" / "up").symlink_to(tmp_path, target_is_directory=True)
    data = open_images(str(tmp_path))
    assert data.classes == ("cat", "dog") and len(data.train) == 5


def test_a_link_that_leads_nowhere_is_refused_by_name(tmp_path):
    write_folder(tmp_path, PETS)
    (tmp_path / "train" / "cat" / "lost.png").symlink_to(tmp_path / "gone.png")
    assert "lost.png: a link that leads to no file" in refusal(tmp_path)


def test_a_pipe_that_is_called_an_image_is_refused_by_name_and_does_not_hang(tmp_path):
    write_folder(tmp_path, PETS)
    os.mkfifo(tmp_path / "train" / "cat" / "pipe.png")
    assert "pipe.png: neither a file nor a folder" in refusal(tmp_path)


def test_a_class_without_images_is_refused_by_name(tmp_path):
    write_folder(tmp_path, PETS)
    (tmp_path / "train" / "emu").mkdir()
    assert f"{tmp_path}/train/emu: no images in this class folder" in refusal(tmp_path)


def test_one_class_is_refused(tmp_path):
    write_folder(tmp_path, {"train/cat": 2, "test/cat": 1})
    assert "only one class folder (cat)" in refusal(tmp_path)


def test_a_folder_without_class_folders_is_refused(tmp_path):
    assert "no class folders" in refusal(tmp_path)
    write_image(tmp_path / "a.png")
    assert "DIR/train/CLASS/*.jpg" in refusal(tmp_path)


def test_test_images_without_class_folders_are_refused(tmp_path):
    write_folder(tmp_path, {"train/cat": 2, "train/dog": 2})
    write_image(tmp_path / "test" / "0001.png")
    assert f"{tmp_path}/test: has no class folders" in refusal(tmp_path)


def test_a_test_class_that_train_lacks_is_refused(tmp_path):
    write_folder(tmp_path, {**PETS, "test/emu": 1})
    assert "'emu'" in refusal(tmp_path)


def test_test_without_train_is_refused(tmp_path):
    write_folder(tmp_path, {"test/cat": 2, "test/dog": 2})
    assert "has test but no train" in refusal(tmp_path)


def test_too_few_images_to_lay_aside_are_refused(tmp_path):
    write_folder(tmp_path, {"cat": 1, "dog": 1})
    assert "2 images of 2 classes are too few" in refusal(tmp_path)


def test_a_class_name_that_can_not_be_written_is_refused(tmp_path):
    write_folder(tmp_path, PETS)
    os.rename(tmp_path / "train" / "dog", os.fsencode(tmp_path / "train") + b"/d\xffg")
    assert "not UTF-8" in refusal(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_a_folder_that_may_not_be_read_is_refused(tmp_path):
    write_folder(tmp_path, PETS)
    (tmp_path / "train" / "cat").chmod(0)
    assert "Permission denied" in refusal(tmp_path)


def test_a_damaged_file_stops_with_its_name_when_it_is_read_and_not_before(tmp_path):
    write_folder(tmp_path, PETS)
    (tmp_path / "train/cat/001.png").write_bytes(b"oops")
    source = open_images(str(tmp_path)).train
    assert len(source.read(torch.tensor([0, 2, 3, 4]))) == 4
    with pytest.raises(DataError, match=r"001\.png: not an image"):
        source.read(torch.tensor([0, 1]))


def test_of_several_damaged_files_the_first_is_named(tmp_path):
    write_folder(tmp_path, {**PETS, "train/cat": 30})
    for index in range(5, 30):
        (tmp_path / f"train/cat/{index:03}.png").write_bytes(b"oops")
    with pytest.raises(DataError, match=r"005\.png"):
        all_of(open_images(str(tmp_path)).train)


@pytest.mark.parametrize("limit", [0, 10**6])
def test_loading_all_names_every_file_that_can_not_be_read_in_memory_or_not(tmp_path, limit):
    write_folder(tmp_path, {**PETS, "train/cat": 8})
    write_image(tmp_path / "train/cat/photo.jpg", size=(200, 200))
    bad = {"001.png": b"oops", "002.png": b"", "003.png": b"<html></html>"}
    for name, cut in (("photo.jpg", 300), ("004.png", 80)):
        bad[name] = (tmp_path / "train/cat" / name).read_bytes()[:cut]
    for name, content in bad.items():
        (tmp_path / "train/cat" / name).write_bytes(content)
    source = FolderSource(list_images(tmp_path / "train", ("cat", "dog")), Frame((8, 8)), memory_limit=limit)
    problems = source.load_all()
    assert sorted(Path(source.paths[index]).name for index in problems) == sorted(bad)
    assert all(source.paths[index] in problem for index, problem in problems.items())
    sound = torch.tensor([index for index in range(len(source)) if index not in problems])
    assert len(source.read(sound)) == 11 - len(bad)


def test_what_a_program_has_appended_to_an_image_is_no_damage(tmp_path):
    write_folder(tmp_path, PETS)
    path = write_image(tmp_path / "train/cat/photo.jpg", size=(64, 64))
    path.write_bytes(path.read_bytes() + b"x" * 10_000)
    source = FolderSource(list_images(tmp_path / "train", ("cat", "dog")), Frame((8, 8)), memory_limit=0)
    assert source.load_all() == {}


def test_in_the_place_of_a_broken_image_stands_the_next_of_its_class(tmp_path):
    write_folder(tmp_path, PETS)
    sound = all_of(open_images(str(tmp_path)).train)
    for name in ("train/cat/001.png", "train/dog/001.png"):
        (tmp_path / name).unlink()
    for limit in (0, 10**6):
        files = [
            str(tmp_path / f"train/{name}.png") for name in ("cat/000", "cat/001", "cat/002", "dog/000", "dog/001")
        ]
        source = FolderSource((files, torch.tensor([0, 0, 0, 1, 1])), Frame((8, 8)), memory_limit=limit)
        problems = source.load_all()
        assert list(problems) == [1, 4]
        source.stand_in(problems)
        assert torch.equal(all_of(source), sound[[0, 2, 2, 3, 3]])
    with pytest.raises(DataError, match="dog: none of its images can be read"):
        source.stand_in([3, 4])


def test_the_size_is_that_of_images_that_can_be_read(tmp_path):
    write_folder(tmp_path, PETS)
    (tmp_path / "train/cat/000.png").write_bytes(b"oops")
    assert open_images(str(tmp_path)).image_size == (8, 8)


def test_only_the_images_asked_for_are_read_and_they_are_remembered(tmp_path):
    write_folder(tmp_path, PETS)
    source = open_images(str(tmp_path)).train
    wanted = torch.tensor([4, 0, 4])
    first = source.read(wanted)
    for path in (tmp_path / "train").rglob("*.png"):
        path.unlink()
    assert torch.equal(source.read(wanted), first)
    assert torch.equal(first[0], first[2])
    with pytest.raises(DataError, match=r"001\.png"):
        source.read(torch.tensor([1]))


def test_loading_all_reads_everything_and_tells_how_far_it_is(tmp_path):
    write_folder(tmp_path, {**PETS, "train/cat": 700}, size=(2, 2))
    source = open_images(str(tmp_path), image_size=4).train
    calls: list[tuple[int, int]] = []
    source.load_all(lambda done, total: calls.append((done, total)))
    assert calls == [(512, 702), (702, 702)]
    for path in (tmp_path / "train").rglob("*.png"):
        path.unlink()
    assert all_of(source).shape == (702, 3, 4, 4)


def test_a_set_larger_than_the_memory_limit_is_decoded_each_time(tmp_path):
    write_folder(tmp_path, PETS)
    files = list_images(tmp_path / "train", ("cat", "dog"))
    streaming = FolderSource(files, Frame((8, 8)), memory_limit=5 * 3 * 8 * 8 - 1)
    remembering = FolderSource(files, Frame((8, 8)), memory_limit=5 * 3 * 8 * 8)
    assert streaming.load_all() == {}
    assert torch.equal(all_of(streaming), all_of(remembering))
    (tmp_path / "train/cat/000.png").unlink()
    assert len(all_of(remembering)) == 5
    with pytest.raises(DataError, match=r"000\.png"):
        all_of(streaming)


@pytest.mark.parametrize("limit", [0, 10**6])
def test_a_folder_that_vanishes_while_it_is_read_is_an_error_that_names_a_file(tmp_path, limit):
    write_folder(tmp_path, PETS)
    source = FolderSource(list_images(tmp_path / "train", ("cat", "dog")), Frame((8, 8)), memory_limit=limit)
    source.read(torch.tensor([0]))
    shutil.rmtree(tmp_path / "train")
    with pytest.raises(DataError, match=r"train/dog/000\.png: no such file"):
        source.read(torch.tensor([3]))


def test_a_folder_that_vanishes_before_it_is_listed_is_an_error_that_names_it(tmp_path):
    write_folder(tmp_path, PETS)
    classes = ("cat", "dog")
    shutil.rmtree(tmp_path / "train")
    with pytest.raises(DataError, match="train: can't be read"):
        list_images(tmp_path / "train", classes)


def test_names_with_spaces_and_signs_of_any_script_are_read(tmp_path):
    names = ("Käfer und Blüten", "it's [bold] $HOME", "花 🌼", "-o")
    folder = tmp_path / "my photos – 写真"
    write_folder(folder, {f"train/{name}": 2 for name in names} | {"test/花 🌼": 1})
    (folder / "train/-o/000.png").rename(folder / "train/-o/a photo of%20a 花.PNG")
    data = open_images(str(folder))
    assert data.classes == tuple(sorted(names))
    assert all_of(data.train).shape == (8, 3, 8, 8)
    assert data.test.labels.tolist() == [data.classes.index("花 🌼")]


def test_threads_give_the_images_that_one_thread_gives(tmp_path):
    write_folder(tmp_path, {"train/cat": 40, "train/dog": 40, "test/cat": 1})
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        single = all_of(open_images(str(tmp_path)).train)
        torch.set_num_threads(4)
        assert torch.equal(all_of(open_images(str(tmp_path)).train), single)
    finally:
        torch.set_num_threads(before)


def test_no_images_can_be_read(tmp_path):
    source = open_images(str(write_folder(tmp_path, PETS))).train
    assert source.read(torch.empty(0, dtype=torch.int64)).shape == (0, 3, 8, 8)


def test_many_files_are_listed_quickly(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for index in range(2_000):
            (tmp_path / name / f"{index}.jpg").touch()
    start = time.process_time()
    paths, labels = list_images(tmp_path, ("a", "b"))
    assert time.process_time() - start < 60
    assert len(paths) == len(labels) == 4_000


def test_a_folder_needs_neither_torchvision_nor_scikit_learn(tmp_path):
    write_folder(tmp_path, PETS)
    code = (
        "import sys, torch; from ftso_cli.data import open_images; data = open_images(sys.argv[1]);"
        "data.train.load_all(); open_images('digits');"
        "print([name for name in ('torchvision', 'sklearn', 'scipy') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]" and run.stderr == ""


@pytest.mark.skipif(not SHARED.is_file(), reason="the CIFAR-10 images are not at ../shared")
def test_real_cifar_images_are_read(tmp_path):
    with tarfile.open(SHARED) as archive:
        files = islice((member for member in archive if member.isfile()), 40)
        for index, member in enumerate(files):
            (folder := tmp_path / ("one", "two")[index % 2]).mkdir(exist_ok=True)
            (folder / f"{index}.jpg").write_bytes(archive.extractfile(member).read())
    data = open_images(str(tmp_path))
    assert data.image_size == (32, 32)
    assert 60 < float(all_of(data.train).float().mean()) < 190


def test_a_folder_whose_name_is_no_text_is_refused_before_any_work(tmp_path):
    folder = os.fsdecode(os.fsencode(tmp_path) + b"/pets\xff")
    write_folder(Path(folder), PETS)
    with pytest.raises(DataError, match=r"the name is not UTF-8; rename the folder"):
        open_images(folder)
