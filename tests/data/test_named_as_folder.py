from pathlib import Path

from ftso_cli.data import open_images
from tests.images import COLOURS, write_folder


def test_a_named_set_is_read_from_a_folder_of_its_images_where_there_is_one(tmp_path: Path) -> None:
    write_folder(tmp_path / "cifar10")
    data = open_images("cifar10", root=tmp_path)
    assert (data.name, data.classes, data.channels) == ("cifar10", tuple(sorted(COLOURS)), 3)
    assert data.mean == (0.49139968, 0.48215827, 0.44653124)
    assert len(data.train) == 72 and len(data.final) == 24


def test_a_grey_set_as_a_folder_is_normalised_alike_in_all_three_channels(tmp_path: Path) -> None:
    write_folder(tmp_path / "fashion-mnist")
    data = open_images("fashion-mnist", root=tmp_path)
    assert data.mean == (0.2860,) * 3
    assert data.std == (0.3530,) * 3
