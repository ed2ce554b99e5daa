"""Makes the folders of images that `against_resnet18.py` was run on, from images that Debian and CIFAR-10 bring.

clipart   seven folders of drawings with transparency, of Debian's openclipart-png, at most 400 pixels
pets      2,500 cats and dogs each of CIFAR-10, brought to several sizes, shapes and formats
four      airplanes, ships, trucks and horses of CIFAR-10: 600, 300, 130, 40
fashion   500 of each class of Fashion-MNIST, of Debian's dataset-fashion-mnist
twenty    the classes of both, 40 to 1,000 of each, in several sizes and formats
cifar     the training images of CIFAR-10

    python benchmarks/folders.py folders/ --cifar10 cifar10/ --fashion FOLDER --clipart /usr/share/openclipart/png
"""

import argparse
import gzip
import random
import shutil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

CLIPART = ("animals", "buildings", "food", "people", "plants", "tools", "transportation")
FASHION = ("tshirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot")
RISING = (40, 80, 150, 250, 400, 600, 800, 1000, 1000, 1000)
FALLING = (1000, 800, 600, 400, 250, 150, 80, 60, 40, 40)
FOUR = {"airplane": 600, "ship": 300, "truck": 130, "horse": 40}


def photos_in(folder: Path, out: Path, draws: random.Random) -> None:
    """Make the folders of CIFAR-10 images, given as `train/CLASS` below `folder`."""
    train = folder / "train"
    classes = sorted(place.name for place in train.iterdir())
    files = {name: sorted((train / name).iterdir()) for name in classes}
    for name in ("cat", "dog"):
        for at, file in enumerate(files[name][:2500]):
            side = draws.choice([32, 40, 48, 64])
            size = side, int(side * draws.choice([1, 0.8, 1.25]))
            save(file, made(out / "pets" / name) / f"{at}.{draws.choice(['jpg', 'png', 'webp'])}", size)
    for name, count in FOUR.items():
        for at, file in enumerate(files[name][:count]):
            shutil.copy(file, made(out / "four" / name) / f"{at}{file.suffix}")
    for name, count in zip(classes, RISING, strict=True):
        for at, file in enumerate(files[name][2000 : 2000 + count]):
            side = draws.randint(28, 90)
            ending = draws.choice(["jpg", "png", "bmp", "gif"])
            save(file, made(out / "twenty" / name) / f"{at}.{ending}", (side, side))
    shutil.copytree(train, out / "cifar", dirs_exist_ok=True)


def save(source: Path, target: Path, size: tuple[int, int]) -> None:
    """Write an image in another size (width, height) and format."""
    with Image.open(source) as image:
        image.convert("RGB").resize(size, Image.Resampling.BICUBIC).save(target)


def drawings_in(folder: Path, out: Path) -> None:
    """Make the folder of drawings; files that can't be read are passed over."""
    for name in CLIPART:
        for at, file in enumerate(sorted((folder / name).rglob("*.png"))):
            try:
                with Image.open(file) as image:
                    image.thumbnail((400, 400))
                    image.save(made(out / "clipart" / name) / f"{at}.png")
            except (OSError, Image.DecompressionBombError):
                continue


def clothes_in(folder: Path, out: Path) -> None:
    """Make the folders of Fashion-MNIST, given by its four files."""
    images, labels = (idx(folder / f"train-{part}-ubyte.gz") for part in ("images-idx3", "labels-idx1"))
    for label, (name, count) in enumerate(zip(FASHION, FALLING, strict=True)):
        own = np.flatnonzero(labels == label)
        for at, index in enumerate(own[:500]):
            Image.fromarray(images[index]).save(made(out / "fashion" / name) / f"{at}.png")
        for at, index in enumerate(own[1000 : 1000 + count]):
            Image.fromarray(images[index]).save(made(out / "twenty" / name) / f"{at}.png")


def idx(file: Path) -> NDArray[np.uint8]:
    """The array in a gzipped file of the MNIST kind."""
    with gzip.open(file) as opened:
        content = opened.read()
    shape = np.frombuffer(content, ">i4", content[3], 4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * content[3]).reshape(shape)


def made(folder: Path) -> Path:
    """The folder, made where it isn't there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def main() -> None:
    """Makes the folders whose sources are given."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    for name in ("cifar10", "fashion", "clipart"):
        parser.add_argument(f"--{name}", type=Path)
    options = parser.parse_args()
    if options.cifar10:
        photos_in(options.cifar10, options.output, random.Random(5))
    if options.fashion:
        clothes_in(options.fashion, options.output)
    if options.clipart:
        drawings_in(options.clipart, options.output)


if __name__ == "__main__":
    main()
