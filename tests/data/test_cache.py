"""The cache of decoded images: the same pixels with it and without, whatever happens to it or to the files."""

import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import platformdirs
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from typer.testing import CliRunner

from ftso_cli.cli.app import app
from ftso_cli.data import ImageSource, open_images
from ftso_cli.data.files import cache, folders
from ftso_cli.data.files.cache import CacheKey
from ftso_cli.errors import DataError
from ftso_cli.files import cache_folder
from tests.data.images import write_fashion, write_folder, write_image
from tests.forks import Trial, forks
from tests.processes import ROOT, modules_imported_by

PETS = {"train/cat": 5, "train/dog": 4, "test/cat": 2, "test/dog": 2}


@pytest.fixture(autouse=True)
def store(tmp_path, monkeypatch) -> Path:
    """The folder of the entries, in a cache of the test's own; files are trusted at once."""
    monkeypatch.setenv("FTSO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(folders, "SETTLED", 0)
    return tmp_path / "cache" / "images"


@pytest.fixture
def pets(tmp_path) -> Path:
    return write_folder(tmp_path / "pets", PETS)


def all_of(source: ImageSource) -> torch.Tensor:
    return source.read(torch.arange(len(source)))


def pixels(data: Path | str, part: str = "train", image_size: int | None = None) -> torch.Tensor:
    return all_of(getattr(open_images(str(data), image_size=image_size), part))


def uncached(data: Path | str, part: str = "train", image_size: int | None = None) -> torch.Tensor:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FTSO_CACHE", "")
        return pixels(data, part, image_size)


def entries(store: Path) -> list[Path]:
    return list(store.iterdir()) if store.exists() else []


def blacken(store: Path) -> None:
    """Makes all images in the cache black and leaves it sound, so that it shows what comes from the cache."""
    for file in entries(store):
        tensors = load_file(file)
        with safe_open(file, "pt") as opened:
            known = json.loads(opened.metadata()["ftso"])
        images = torch.zeros_like(tensors["images"])
        CacheKey(file=file, about=known["about"]).write(images, tensors["labels"], tensors["stamps"], known["classes"])


def tick(folder: Path) -> None:
    """Waits until a file that is changed in the folder has another time of change than those of before."""
    probe = folder.with_name("probe")
    probe.touch()
    before = probe.stat().st_ctime_ns
    while probe.stat().st_ctime_ns == before:
        probe.touch()


def black(images: torch.Tensor) -> list[bool]:
    return [not image.any() for image in images]


# Folders: what is kept, and for how long


def test_images_come_from_the_cache_once_all_of_them_have_been_read(pets, store):
    first = pixels(pets)
    assert len(entries(store)) == 1
    assert torch.equal(pixels(pets), first)
    blacken(store)
    assert all(black(pixels(pets)))
    assert not any(black(pixels(pets, "test")))


def test_loading_all_images_fills_the_cache(pets, store):
    open_images(str(pets)).train.load_all()
    blacken(store)
    assert all(black(pixels(pets)))


def test_broken_images_keep_no_other_from_the_cache_and_are_tried_again(pets, store):
    whole = uncached(pets, "train", 8)
    good = (pets / "train/cat/001.png").read_bytes()
    (pets / "train/cat/001.png").write_bytes(good[:50])
    tick(pets)
    for _ in range(2):
        assert list(open_images(str(pets)).train.load_all()) == [1]
    assert len(entries(store)) == 1
    blacken(store)
    again = open_images(str(pets)).train
    assert list(again.load_all()) == [1]
    assert all(black(again.read(torch.tensor([0, 2, 3]))))
    (pets / "train/cat/001.png").write_bytes(good)
    mended = open_images(str(pets)).train
    assert mended.load_all() == {} and torch.equal(mended.read(torch.tensor([1])), whole[1:2])


def test_a_search_of_one_iteration_writes_no_cache_and_one_of_an_epoch_does(pets, store):
    search = ["search-topology", "--data", str(pets), "--batch-size", "2", "--cells", "1", "--channels", "4"]
    for length, written in (("--iters", 0), ("--epochs", 1)):
        result = CliRunner().invoke(app, [*search, length, "1", "-o", str(pets / "cell.json")])
        assert result.exit_code == 0, result.output
        assert len(entries(store)) == written
    blacken(store)
    assert all(black(pixels(pets)))


def test_parts_and_sizes_are_kept_apart(pets, store):
    for part in ("train", "test"):
        for size in (8, 5):
            expected = uncached(pets, part, size)
            assert all(torch.equal(pixels(pets, part, size), expected) for _ in range(2))
    assert len(entries(store)) == 4


def test_a_folder_is_known_by_any_of_its_paths(pets, store, monkeypatch):
    pixels(pets)
    blacken(store)
    (pets.parent / "link").symlink_to(pets)
    monkeypatch.chdir(pets)
    assert all(black(torch.cat([pixels("."), pixels("../link/"), pixels("../pets")])))


@pytest.mark.parametrize("change", ["rewritten", "replaced", "added", "removed", "renamed"])
def test_a_change_of_the_files_is_seen(pets, store, change):
    before, file = pixels(pets), pets / "train/cat/001.png"
    stat = file.stat()
    tick(pets)
    other = write_image(pets / "other.png", seed=99)
    if change == "rewritten":
        # As many bytes, and the time of the last change as it was.
        file.write_bytes(other.read_bytes().ljust(stat.st_size))
        os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        assert (file.stat().st_size, file.stat().st_mtime_ns) == (stat.st_size, stat.st_mtime_ns)
    elif change == "replaced":
        other.replace(file)
    elif change == "added":
        other.rename(pets / "train/cat/0005.png")
    elif change == "removed":
        file.unlink()
    else:
        file.rename(pets / "train/dog/009.png")
    after = uncached(pets)
    assert not torch.equal(after, before)
    assert all(torch.equal(pixels(pets), after) for _ in range(2))
    assert len(entries(store)) == 1


def test_only_a_changed_file_is_decoded_again(pets, store):
    pixels(pets)
    blacken(store)
    tick(pets)
    write_image(pets / "train/dog/000.png", seed=99)
    assert black(pixels(pets)) == [True] * 5 + [False] + [True] * 3


def test_a_file_that_is_damaged_or_gone_after_it_was_cached_is_an_error(pets):
    pixels(pets)
    source = open_images(str(pets)).train
    tick(pets)
    (pets / "train/cat/001.png").write_bytes(b"oops")
    (pets / "train/dog/001.png").unlink()
    with pytest.raises(DataError, match=r"001\.png: not an image"):
        source.read(torch.tensor([0, 1]))
    with pytest.raises(DataError, match=r"001\.png: no such file"):
        source.read(torch.tensor([5, 6]))


def test_a_file_is_not_trusted_right_after_its_last_change(pets, store, monkeypatch):
    monkeypatch.setattr(folders, "SETTLED", 60e9)
    pixels(pets)
    assert entries(store) == []
    for path in (pets / "train/cat").iterdir():
        os.utime(path, ns=(0, 0))
    pixels(pets)
    assert entries(store) == []


def test_another_version_decodes_anew(pets, store, monkeypatch):
    pixels(pets)
    blacken(store)
    monkeypatch.setattr(cache, "__version__", "0.0.0")
    assert not any(black(pixels(pets)))
    assert len(entries(store)) == 1


# Damage


@pytest.mark.parametrize("part", ["images", "labels", "checksums", "stamps", "header", "about"])
def test_damage_is_noticed_and_repaired(pets, store, part):
    expected = pixels(pets)
    (file,) = entries(store)
    sound = file.read_bytes()
    start = 8 + int.from_bytes(sound[:8], "little")
    header = json.loads(sound[8:start])
    where = {"header": 9, "about": sound.index(b"pillow")}.get(part) or start + header[part]["data_offsets"][0]
    for at in (where, where + 5):
        file.write_bytes(sound[:at] + bytes([sound[at] ^ 1]) + sound[at + 1 :])
        assert torch.equal(pixels(pets), expected)
        assert file.read_bytes() == sound


@pytest.mark.parametrize("size", [0, 7, 100, -1])
def test_a_file_cut_short_is_replaced(pets, store, size):
    expected = pixels(pets)
    (file,) = entries(store)
    sound = file.read_bytes()
    file.write_bytes(sound[:size])
    assert torch.equal(pixels(pets), expected)
    assert file.read_bytes() == sound


def test_changes_of_what_was_read_do_not_reach_the_cache(pets):
    expected = pixels(pets)
    pixels(pets).fill_(7)
    assert torch.equal(pixels(pets), expected)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="only Linux tells what is in memory")
def test_only_what_is_read_is_loaded():
    images = torch.full((20_000, 3, 32, 32), 7, dtype=torch.uint8)
    labels, stamps = torch.zeros(len(images), dtype=torch.int64), torch.empty((0, 3), dtype=torch.int64)
    cache.find_place({"set": "grey"}, []).write(images, labels, stamps)
    code = """
import torch
from ftso_cli.data.files.cache import find_place
def pages(): return int(open("/proc/self/statm").read().split()[1])
chosen, before = torch.arange(10_000, 10_064), pages()
entry = find_place({"set": "grey"}, []).read()
assert entry.sound(chosen).all() and (entry.images[chosen] == 7).all()
print(pages() - before)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert int(run.stdout) * 4096 < images.numel() / 2


def entry_of(store) -> CacheKey:
    """A place with an entry of two images."""
    place = CacheKey(file=store / "entry.safetensors", about={"set": "two"})
    place.write(
        torch.zeros((2, 3, 8, 8), dtype=torch.uint8), torch.tensor([0, 1]), torch.ones((2, 3), dtype=torch.int64)
    )
    return place


def test_a_file_that_is_cut_short_while_it_is_in_use_is_noticed(store):
    place = entry_of(store)
    entry = place.read()
    os.truncate(place.file, 100)
    assert entry.sound(torch.arange(2)).tolist() != [True, True] or not entry.images.any()
    os.truncate(place.file, 0)
    entry.images.fill_(9)
    assert entry.sound(torch.arange(2)).tolist() == [False, False]


def test_a_pipe_in_the_place_of_an_entry_is_not_waited_for(store):
    place = entry_of(store)
    place.file.unlink()
    os.mkfifo(place.file)
    assert place.read() is None


@pytest.mark.parametrize("shape", [(2, 3, 4, 4), (2, 1, 8, 8), (1, 3, 8, 8)], ids=str)
def test_images_of_another_shape_with_sound_checksums_are_not_taken(pets, store, shape):
    expected = pixels(pets)
    (file,) = entries(store)
    place = open_images(str(pets)).train._place
    assert place.file == file
    wrong = torch.zeros((len(expected) if shape[0] == 2 else 1, *shape[1:]), dtype=torch.uint8)
    place.write(wrong, torch.zeros(len(wrong), dtype=torch.int64), torch.ones((len(wrong), 3), dtype=torch.int64))
    assert torch.equal(pixels(pets), expected)


def test_a_set_whose_cached_labels_are_no_classes_is_read_again(root, store):
    expected = pixels("fashion-mnist")
    for file in entries(store):
        with safe_open(file, "pt") as opened:
            tensors = {name: opened.get_tensor(name) for name in ("images", "labels", "stamps")}
            known = json.loads(opened.metadata()["ftso"])
        place = CacheKey(file=file, about=known["about"])
        place.write(tensors["images"], tensors["labels"] + 1000, tensors["stamps"], known["classes"])
    source = open_images("fashion-mnist").train
    assert torch.equal(all_of(source), expected) and int(source.labels.max()) < 10


# Where the cache can't be written, and who else writes it


def test_an_empty_variable_turns_the_cache_off(pets, store, monkeypatch):
    monkeypatch.setenv("FTSO_CACHE", "")
    monkeypatch.chdir(pets)
    pixels(pets)
    assert cache_folder() is None
    assert entries(store) == [] and sorted(os.listdir(pets)) == ["test", "train"]


def test_without_the_variable_it_is_in_the_users_cache(monkeypatch):
    monkeypatch.delenv("FTSO_CACHE")
    assert cache_folder() == platformdirs.user_cache_path("ftso", appauthor=False)


def test_a_cache_that_can_not_be_written_is_done_without(pets, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FTSO_CACHE", str(tmp_path / "file" / "cache"))
    assert all(torch.equal(pixels(pets), uncached(pets)) for _ in range(2))


def test_nothing_is_written_into_the_folder_of_the_images(pets, store):
    def found() -> dict[str, tuple[int, int]]:
        stats = {str(path): path.stat() for path in (pets, *pets.rglob("*"))}
        return {name: (stat.st_mtime_ns, stat.st_ctime_ns) for name, stat in stats.items()}

    for path in sorted(pets.rglob("*"), reverse=True):
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = found()
    assert torch.equal(pixels(pets), pixels(pets))
    pixels(pets, "test")
    assert found() == before and len(entries(store)) == 2


def test_a_folder_that_is_gone_is_not_taken_from_the_cache(pets):
    pixels(pets)
    source = open_images(str(pets)).train
    shutil.rmtree(pets / "train" / "dog")
    with pytest.raises(DataError, match=r"dog/000\.png: no such file"):
        all_of(source)
    with pytest.raises(DataError, match=r"only one class folder"):
        open_images(str(pets))


def test_a_full_disk_leaves_no_half_entry(pets, store):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        assert torch.equal(pixels(pets), uncached(pets))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert entries(store) == []


def test_sets_above_the_limit_are_not_cached(pets, store, monkeypatch):
    monkeypatch.setattr(cache, "LIMIT", 9 * 3 * 8 * 8 - 1)
    pixels(pets)
    assert entries(store) == []


def test_the_entry_that_was_used_last_stays_when_the_room_ends(pets, store, monkeypatch):
    for size in (8, 9):
        pixels(pets, image_size=size)
    (store / ".ftso-left-by-a-kill.tmp").write_bytes(bytes(10_000))
    for file in entries(store):
        os.utime(file, (0, 0))
    pixels(pets, image_size=8)
    used = max(entries(store), key=lambda file: file.stat().st_mtime)
    monkeypatch.setattr(cache, "ROOM", 2 * used.stat().st_size)
    pixels(pets, image_size=7)
    assert used in entries(store) and len(entries(store)) == 2


def test_a_folder_that_holds_other_things_is_refused_as_a_cache_and_stays_as_it_is(pets, tmp_path, monkeypatch):
    home = tmp_path / "home"
    (home / "images").mkdir(parents=True)
    (home / "images" / "thesis.tar").write_bytes(bytes(1000))
    monkeypatch.setenv("FTSO_CACHE", str(home))
    monkeypatch.setattr(cache, "ROOM", 1)
    search = ["search-topology", "--data", str(pets), "--epochs", "1", "--batch-size", "2", "--cells", "1"]
    result = CliRunner().invoke(app, [*search, "--channels", "4", "-o", str(tmp_path / "cell.json")])
    assert (result.exit_code, result.stdout) == (1, "")
    assert "holds other things (images/thesis.tar); set FTSO_CACHE to a new or empty folder" in result.stderr
    assert sorted(path.name for path in home.rglob("*")) == ["images", "thesis.tar"]


@pytest.mark.parametrize("name", ["thesis.tar", f"{'0' * 32}.safetensors", "model.safetensors", f"{'0' * 32}.nats"])
def test_what_others_have_put_into_the_cache_is_neither_counted_nor_removed(name, pets, store, monkeypatch):
    pixels(pets)
    stranger = store / name
    stranger.write_bytes(bytes(10_000))
    os.utime(stranger, (0, 0))
    used = next(file for file in entries(store) if file != stranger).stat().st_size
    monkeypatch.setattr(cache, "ROOM", 2 * used)
    pixels(pets, image_size=7)
    assert stranger.read_bytes() == bytes(10_000) and len(entries(store)) == 3


def test_a_link_in_the_cache_is_left_alone(pets, store, monkeypatch, tmp_path):
    pixels(pets)
    entry = entries(store)[0]
    entry.rename(tmp_path / "kept")
    (store / f"{'0' * 32}.safetensors").symlink_to(tmp_path / "kept")
    monkeypatch.setattr(cache, "ROOM", 1)
    pixels(pets, image_size=7)
    assert [path.is_symlink() for path in entries(store)] == [True] and (tmp_path / "kept").exists()


def test_the_cache_is_marked_and_one_that_an_earlier_version_has_made_goes_on(pets, store):
    pixels(pets)
    tag = store.parent / "CACHEDIR.TAG"
    assert tag.read_bytes().startswith(b"Signature: 8a477f597d28d172789f06886806bc55")
    tag.unlink()
    blacken(store)
    (store / f"{'1' * 32}.safetensors").write_bytes(b"damaged")
    assert all(black(pixels(pets))) and tag.exists()


def test_processes_that_write_the_same_entry_do_not_hurt_each_other(pets, store):
    code = (
        "import sys, torch; from ftso_cli.data import open_images\n"
        "from ftso_cli.data.files import folders; folders.SETTLED = 0\n"
        "for _ in range(20):\n"
        "    source = open_images(sys.argv[1]).train; print(int(source.read(torch.arange(9)).long().sum()))\n"
        "    source._place.file.unlink(missing_ok=True)"
    )
    both = forks().run_together(*[Trial(code=code, args=[str(pets)], folder=str(ROOT))] * 2)
    assert [ended.status for ended in both] == [0, 0], both
    sums = {line for ended in both for line in ended.out.split()}
    assert sums == {str(int(uncached(pets).long().sum()))}
    assert entries(store) == []


# Sets that torchvision reads

LABELS = tuple(range(10)) * 4


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("FTSO_DATA", str(tmp_path / "root"))
    write_fashion(tmp_path / "root", LABELS)
    return tmp_path / "root"


@pytest.mark.parametrize("size", [None, 20])
def test_a_named_set_is_the_same_from_the_cache(root, size):
    first, second = (open_images("fashion-mnist", image_size=size) for _ in range(2))
    assert type(first.train) is not type(second.train)
    for one, other in ((first.train, second.train), (first.test, second.test)):
        assert torch.equal(one.labels, other.labels)
        assert torch.equal(all_of(one), all_of(other))
        other.load_all()
        assert torch.equal(all_of(one), all_of(other))
    assert first.classes == second.classes and first.image_size == second.image_size


def test_a_search_on_a_cached_set_imports_neither_torchvision_nor_the_compiler_of_torch(root):
    open_images("fashion-mnist")
    search = ["search-topology", "--data", "fashion-mnist", "--iters", "1", "--batch-size", "4", "--cells", "2"]
    imported = modules_imported_by([*search, "-o", str(root / "cell.json")])
    assert "torch" in imported
    assert not imported & {"torchvision", "torch._dynamo", "sklearn"}


def test_changed_files_of_a_named_set_are_read_again(root):
    before = pixels("fashion-mnist")
    tick(root)
    file = next(root.rglob("train-images*"))
    file.write_bytes(file.read_bytes()[:-1] + b"\0")
    after = pixels("fashion-mnist")
    assert not torch.equal(after, before)
    assert torch.equal(pixels("fashion-mnist"), after) and torch.equal(uncached("fashion-mnist"), after)


def test_a_named_set_that_is_gone_is_not_taken_from_the_cache(root, monkeypatch):
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    pixels("fashion-mnist")
    for path in root.rglob("*ubyte"):
        path.unlink()
    with pytest.raises(DataError, match="can't be downloaded"):
        open_images("fashion-mnist")


def test_a_damaged_image_of_a_named_set_is_noticed_when_it_is_read_and_repaired(root, store):
    expected = {size: pixels("fashion-mnist", image_size=size) for size in (None, 20)}
    file = max(entries(store), key=lambda file: b"train" in file.read_bytes())
    sound = file.read_bytes()
    damaged = sound[:-1] + bytes([sound[-1] ^ 1])
    for size, images in expected.items():
        file.write_bytes(damaged)
        source = open_images("fashion-mnist", image_size=size).train
        assert torch.equal(source.read(torch.tensor([0, 1])), images[:2])
        assert file.read_bytes() == damaged
        assert torch.equal(all_of(source), images)
        assert file.read_bytes() == sound
