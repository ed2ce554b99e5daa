"""Sets that torchvision downloads: from a server of our own, from files that the user brings, and from nowhere."""

import gzip
import hashlib
import pickle
import shutil
import socket
import tarfile
import time
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import torch
from torchvision.datasets import CIFAR10, FashionMNIST

from ftso_cli.data import open_images
from ftso_cli.data.downloads import read_torchvision
from ftso_cli.errors import DataError
from tests.data.images import fashion_parts, write_fashion
from tests.processes import HANG

DEBIAN = Path("/usr/share/datasets/fashion-mnist")


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def cifar_parts() -> dict[str, bytes]:
    """The files of a CIFAR-10 of 12 images."""
    rng = np.random.default_rng(0)
    parts = {
        name: {"data": rng.integers(0, 256, (2, 3072), dtype=np.uint8), "labels": [index % 3, 1]}
        for index, name in enumerate([*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"])
    }
    parts["batches.meta"] = {"label_names": ["cat", "dog", "emu"]}
    return {name: pickle.dumps(part) for name, part in parts.items()}


@pytest.fixture
def server(tmp_path, monkeypatch) -> Iterator[str]:
    """The address of a server that serves the folder `served`."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    (tmp_path / "served").mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "served"))) as running:
        Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}/"
        running.shutdown()


@pytest.fixture
def cifar(tmp_path, server) -> type[CIFAR10]:
    """A CIFAR-10 of 12 images that is downloaded from our server."""
    parts, packed = cifar_parts(), BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in parts.items():
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = len(content)
            archive.addfile(member, BytesIO(content))
    (tmp_path / "served" / CIFAR10.filename).write_bytes(packed.getvalue())

    class Tiny(CIFAR10):
        url = server + CIFAR10.filename
        tgz_md5 = md5(packed.getvalue())
        train_list = [[name, md5(parts[name])] for name, _ in CIFAR10.train_list]  # noqa: RUF012
        test_list = [[name, md5(parts[name])] for name, _ in CIFAR10.test_list]  # noqa: RUF012
        meta = {**CIFAR10.meta, "md5": md5(parts["batches.meta"])}  # noqa: RUF012

    return Tiny


@pytest.fixture
def fashion(tmp_path, server) -> type[FashionMNIST]:
    """A Fashion-MNIST of six images that is downloaded from our server."""
    packed = {f"{name}.gz": gzip.compress(content) for name, content in fashion_parts().items()}
    for name, content in packed.items():
        (tmp_path / "served" / name).write_bytes(content)
    attributes = {"mirrors": [server], "resources": [(name, md5(content)) for name, content in packed.items()]}
    return type("FashionMNIST", (FashionMNIST,), attributes)


@pytest.fixture
def offline(monkeypatch) -> None:
    """A network that refuses every connection: a proxy where nothing listens."""
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)


def files_in(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def test_a_downloaded_set_has_its_pixels_labels_and_classes(tmp_path, cifar):
    train, test, classes = read_torchvision(cifar, "cifar10", tmp_path / "root")
    assert classes == ("cat", "dog", "emu")
    assert train[1].tolist() == [0, 1, 1, 1, 2, 1, 0, 1, 1, 1] and test[1].tolist() == [2, 1]
    first = pickle.loads(cifar_parts()["data_batch_1"])["data"][0].reshape(3, 32, 32)
    assert train[0].shape == (10, 3, 32, 32) and np.array_equal(train[0][0].numpy(), first)


def test_a_gray_set_has_one_channel(tmp_path, fashion):
    train, test, classes = read_torchvision(fashion, "fashion-mnist", tmp_path / "root")
    assert train[0].shape == test[0].shape == (3, 1, 28, 28) and train[0].dtype == torch.uint8
    assert train[1].tolist() == [3, 9, 0] and len(classes) == 10


def test_a_downloaded_set_is_found_again_without_network(tmp_path, cifar, fashion):
    root = tmp_path / "root"
    first = [read_torchvision(kind, "name", root) for kind in (cifar, fashion)]
    for path in (tmp_path / "served").iterdir():
        path.unlink()
    again = [read_torchvision(kind, "name", root) for kind in (cifar, fashion)]
    assert all(torch.equal(a[0][0], b[0][0]) for a, b in zip(first, again, strict=True))


def test_a_download_leaves_the_unpacked_files_and_nothing_else(tmp_path, cifar, fashion):
    read_torchvision(cifar, "cifar10", tmp_path / "root")
    read_torchvision(fashion, "fashion-mnist", tmp_path / "root")
    expected = [f"FashionMNIST/raw/{name}" for name in fashion_parts()]
    expected += [f"cifar-10-batches-py/{name}" for name in cifar_parts()]
    assert files_in(tmp_path / "root") == sorted(expected)


def test_archives_that_the_user_brings_are_used_and_kept(tmp_path, cifar, fashion):
    root = tmp_path / "root"
    (root / "FashionMNIST" / "raw").mkdir(parents=True)
    for path in list((tmp_path / "served").iterdir()):
        path.rename((root if path.name == CIFAR10.filename else root / "FashionMNIST" / "raw") / path.name)
    assert len(read_torchvision(cifar, "cifar10", root)[0][0]) == 10
    assert len(read_torchvision(fashion, "fashion-mnist", root)[0][0]) == 3
    assert CIFAR10.filename in files_in(root)


def test_a_damaged_archive_of_the_user_is_named_and_left_alone(tmp_path, cifar):
    root = tmp_path / "root"
    root.mkdir()
    (root / CIFAR10.filename).write_bytes(b"half")
    with pytest.raises(DataError, match=r"cifar-10-python\.tar\.gz: is not the published file"):
        read_torchvision(cifar, "cifar10", root)
    assert (root / CIFAR10.filename).read_bytes() == b"half"


def test_a_download_cut_short_leaves_nothing_and_the_next_run_succeeds(tmp_path, cifar):
    archive, root = tmp_path / "served" / CIFAR10.filename, tmp_path / "root"
    whole = archive.read_bytes()
    archive.write_bytes(whole[:-100])
    with pytest.raises(DataError, match="can't be downloaded"):
        read_torchvision(cifar, "cifar10", root)
    assert files_in(root) == []
    archive.write_bytes(whole)
    assert len(read_torchvision(cifar, "cifar10", root)[0][0]) == 10


@pytest.mark.parametrize("damage", ["images", "labels", "out of range", "missing"])
def test_damaged_files_are_fetched_again(tmp_path, fashion, damage):
    root = tmp_path / "root"
    good = read_torchvision(fashion, "fashion-mnist", root)
    raw = root / "FashionMNIST" / "raw"
    if damage == "missing":
        (raw / "t10k-labels-idx1-ubyte").unlink()
    elif damage == "out of range":
        (raw / "train-labels-idx1-ubyte").write_bytes(fashion_parts((1, 2, 10))["train-labels-idx1-ubyte"])
    else:
        file = next(raw.glob(f"train-{damage}*"))
        file.write_bytes(file.read_bytes()[:-2])
    again = read_torchvision(fashion, "fashion-mnist", root)
    assert torch.equal(again[0][0], good[0][0]) and torch.equal(again[0][1], good[0][1])


def test_a_kill_during_the_download_does_not_break_the_next_run(tmp_path, cifar):
    root = tmp_path / "root"
    (root / ".download-killed" / "cifar-10-batches-py").mkdir(parents=True)
    (root / ".download-killed" / CIFAR10.filename).write_bytes(b"half")
    assert len(read_torchvision(cifar, "cifar10", root)[0][0]) == 10


@pytest.mark.parametrize(
    ("name", "file", "folder"),
    [
        ("cifar10", "cifar-10-python.tar.gz", ""),
        ("cifar100", "cifar-100-python.tar.gz", ""),
        ("fashion-mnist", "t10k-labels-idx1-ubyte.gz", "FashionMNIST/raw"),
    ],
)
@pytest.mark.usefixtures("offline")
def test_without_network_the_error_says_which_file_belongs_where(tmp_path, name, file, folder):
    start = time.perf_counter()
    with pytest.raises(DataError) as caught:
        open_images(name, root=tmp_path)
    message = str(caught.value)
    assert time.perf_counter() - start < HANG
    assert file in message and f"into {tmp_path / folder}" in message
    assert "--data digits" in message and "DIR/train/CLASS" in message
    assert message.isprintable() and len(message) < 700
    assert files_in(tmp_path) == []


def test_a_server_that_stays_silent_is_given_up(tmp_path, cifar, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        cifar.url = f"http://127.0.0.1:{silent.getsockname()[1]}/{CIFAR10.filename}"
        start = time.perf_counter()
        with pytest.raises(DataError, match="timed out"):
            read_torchvision(cifar, "cifar10", tmp_path / "root", timeout=0.3)
    assert time.perf_counter() - start < HANG
    assert socket.getdefaulttimeout() is None


def test_a_folder_that_can_not_be_written_is_an_error_of_one_line(tmp_path, cifar):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"Not a directory|File exists"):
        read_torchvision(cifar, "cifar10", tmp_path / "file" / "root")


def test_nothing_of_a_download_goes_to_stdout(tmp_path, fashion, capfd):
    read_torchvision(fashion, "fashion-mnist", tmp_path / "root")
    assert capfd.readouterr().out == ""


@pytest.fixture
def debian(tmp_path) -> Path:
    """The folder of the archives of Fashion-MNIST, which Debian has packed anew."""
    if not DEBIAN.is_dir():
        pytest.skip("the Debian package dataset-fashion-mnist is not installed")
    return shutil.copytree(DEBIAN, tmp_path / "FashionMNIST" / "raw")


@pytest.mark.usefixtures("debian", "offline")
def test_known_means_of_fashion_mnist_are_those_of_its_pixels(tmp_path):
    data = open_images("fashion-mnist", root=tmp_path)
    assert data.remarks == ()
    assert (len(data.train), len(data.test), data.channels) == (60_000, 10_000, 1)
    images = data.train.read(torch.arange(60_000))
    assert float(images.float().mean()) / 255 == pytest.approx(data.mean[0], abs=2e-4)
    assert float(images.float().std()) / 255 == pytest.approx(data.std[0], abs=2e-4)


@pytest.mark.usefixtures("offline")
def test_damaged_pixels_of_fashion_mnist_are_an_error(tmp_path, debian):
    packed = debian / "t10k-images-idx3-ubyte.gz"
    content = bytearray(gzip.decompress(packed.read_bytes()))
    content[500] ^= 1
    packed.with_suffix("").write_bytes(content)
    for path in debian.glob("*.gz"):
        if path != packed:
            path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
    with pytest.raises(DataError, match="the test images are damaged; remove their file"):
        open_images("fashion-mnist", root=tmp_path)


def test_another_set_in_the_files_of_fashion_mnist_is_remarked(tmp_path):
    write_fashion(tmp_path)
    remark = open_images("fashion-mnist", root=tmp_path).remarks[0]
    assert remark == f"{tmp_path}/FashionMNIST/raw: not the published fashion-mnist, other labels"


@pytest.mark.usefixtures("offline")
def test_the_data_folder_of_the_environment_is_used(tmp_path, monkeypatch):
    monkeypatch.setenv("FTSO_DATA", str(tmp_path))
    write_fashion(tmp_path)
    data = open_images("fashion-mnist", image_size=32)
    assert (len(data.train), data.channels, data.image_size, data.flip) == (3, 1, (32, 32), True)
    assert data.test.read(torch.arange(3)).shape == (3, 1, 32, 32)
