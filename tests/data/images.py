"""Writes small image files and folders of them for the tests."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from ftso_cli.data import ImageSource


def write_image(path: Path, seed: int = 0, size: tuple[int, int] = (8, 8)) -> Path:
    """Writes random pixels of (width, height) `size`; every seed gives another image."""
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def write_folder(folder: Path, counts: Mapping[str, int], size: tuple[int, int] = (8, 8)) -> Path:
    """Writes `counts[CLASS]` PNG files into each class folder, like {"train/cat": 3}."""
    for number, (name, count) in enumerate(counts.items()):
        for index in range(count):
            write_image(folder / name / f"{index:03}.png", 1000 * number + index, size)
    return folder


def idx(values: np.ndarray) -> bytes:
    return bytes([0, 0, 8, values.ndim]) + b"".join(n.to_bytes(4, "big") for n in values.shape) + values.tobytes()


def fashion_parts(labels: tuple[int, ...] = (3, 9, 0)) -> dict[str, bytes]:
    """The four files, unpacked, of a Fashion-MNIST with these labels of the training and of the test images."""
    images = np.random.default_rng(0).integers(0, 256, (len(labels), 28, 28), dtype=np.uint8)
    return {
        f"{part}-{kind}-ubyte": idx(values)
        for part in ("train", "t10k")
        for kind, values in (("images-idx3", images), ("labels-idx1", np.array(labels, np.uint8)))
    }


def write_fashion(root: Path, labels: tuple[int, ...] = (3, 9, 0)) -> Path:
    """Writes a small Fashion-MNIST to where torchvision has it below `root`, and gives the folder of its files."""
    folder = root / "FashionMNIST" / "raw"
    folder.mkdir(parents=True)
    for name, content in fashion_parts(labels).items():
        (folder / name).write_bytes(content)
    return folder


class CountingSource:
    """A source that keeps a list of what was read from the one it wraps."""

    def __init__(self, source: ImageSource) -> None:
        self.source, self.read_indices = source, []
        self.labels = source.labels

    def __len__(self):
        return len(self.source)

    def read(self, indices):
        self.read_indices += indices.tolist()
        return self.source.read(indices)

    def load_all(self, progress=None):
        return self.source.load_all(progress)

    @property
    def loaded(self):
        return self.source.loaded
