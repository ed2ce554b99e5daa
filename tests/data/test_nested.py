"""Images in folders within a class folder, by choice."""

from pathlib import Path

from ftso_cli.data import open_images, record_of
from ftso_cli.data.files.frames import ImageOptions
from ftso_cli.data.record import recorded_data
from tests.data.images import write_folder, write_image

NESTED = ImageOptions(nested=True)


def names(folder: Path, wanted: ImageOptions) -> set[str]:
    data = open_images(str(folder), wanted)
    return {str(Path(path).relative_to(folder)) for path in (*data.train.paths, *data.final.paths)}


def test_folders_within_a_class_are_read_to_any_depth_where_that_is_asked_for(tmp_path: Path) -> None:
    pets = write_folder(
        tmp_path, {"train/cat": 2, "train/dog/2020": 2, "train/dog/2021/may": 2, "test/cat/a": 1, "test/dog": 1}
    )
    write_image(pets / "train/dog/top.png")
    assert len(names(pets, NESTED)) == 9 and len(names(pets, ImageOptions())) == 4
    assert "test/cat/a/000.png" in names(pets, NESTED)
    data = open_images(str(pets), NESTED)
    assert data.classes == ("cat", "dog") and data.train.labels.tolist() == [0] * 2 + [1] * 5 and not data.skipped


def test_hidden_folders_links_and_folders_of_systems_are_not_gone_into(tmp_path: Path) -> None:
    pets = write_folder(tmp_path / "pets", {"cat": 5, "dog": 5, "cat/.trash": 2, "cat/@eaDir": 2})
    write_image(tmp_path / "elsewhere/a.png")
    (pets / "cat/more").symlink_to(tmp_path / "elsewhere")
    (pets / "cat/again").symlink_to(pets)
    assert len(names(pets, NESTED)) == 10


def test_a_run_knows_its_nested_images_and_those_that_were_added(tmp_path: Path) -> None:
    pets = write_folder(tmp_path, {"cat/a": 5, "cat/cat": 2, "dog/b/c": 5, "dog": 1})
    data = open_images(str(pets), NESTED)
    record = record_of(data)
    assert set(record.labels_of) == {name for name in names(pets, NESTED) if name[:7] not in ("cat/cat", "dog/000")}
    write_image(pets / "cat/a/new.png")
    images, changes = recorded_data(str(pets), pets, record, data.classes, NESTED)
    assert images.train.paths == data.train.paths and changes.facts() == {"added": ["cat/a/new.png"]}
