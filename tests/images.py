"""Small sets of real image files that a test makes, learns on and throws away."""

import shutil
from pathlib import Path

import numpy as np
from PIL import Image

COLOURS = {"blue": (40, 60, 200), "green": (40, 180, 60), "red": (200, 50, 40)}


def write_folder(folder: Path, *, train: int = 24, test: int = 8, size: int = 8) -> Path:
    """Noisy PNG images of three colours in folder/train/CLASS and folder/test/CLASS, so many a class."""
    noise = np.random.default_rng(0)
    for part, count in (("train", train), ("test", test)):
        for name, colour in COLOURS.items():
            (folder / part / name).mkdir(parents=True)
            for number in range(count):
                pixels = np.clip(np.array(colour) + noise.normal(0, 30, (size, size, 3)), 0, 255)
                Image.fromarray(pixels.astype(np.uint8)).save(folder / part / name / f"{number:03}.png")
    return folder


def copied_with_run(folder: Path, copy: Path) -> Path:
    """A copy of a folder of images and the run `run` on them, which takes its images from the copy."""
    shutil.copytree(folder, copy)
    config = copy / "run/config.json"
    config.write_text(config.read_text().replace(str(folder), str(copy)))
    return copy
