"""A network that preprocesses brings pictures to its size as `predict` does, whatever their shape."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from ftso_cli.data.files.frames import Frame, framed
from ftso_cli.training.use.picture_classifier import PictureClassifier

FRAMES = [
    Frame((32, 32)),
    Frame((32, 48)),
    Frame((32, 48), "pad"),
    Frame((33, 32), "pad"),
    Frame((48, 32), "stretch"),
    Frame((32, 32), margin=True),
    Frame((33, 47), margin=True),
]


class Looking(nn.Module):
    """Keeps the levels of what it is shown."""

    def __init__(self, frame: Frame, channels: int) -> None:
        super().__init__()
        self.frame, self.image_size, self.channels = frame, frame.size, channels
        self.seen = torch.empty(0)

    def forward(self, images: Tensor) -> Tensor:
        self.seen = (images * 255)[0]
        return torch.zeros(1, 2)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("frame", FRAMES, ids=str)
def test_a_picture_comes_to_the_size_of_a_network_as_pillow_brings_it(frame: Frame, channels: int) -> None:
    network = Looking(frame, channels)
    noise = np.random.default_rng(0)
    for width, height in ((32, 32), (48, 32), (50, 90), (90, 50), (301, 127), (127, 301), (1, 1), (1, 7), (300, 7)):
        coarse = noise.integers(0, 256, (height // 3 + 2, width // 3 + 2, 3), dtype=np.uint8)
        picture = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
        PictureClassifier(network)(torch.from_numpy(np.array(picture)))  # type: ignore[arg-type]
        expected = np.asarray(framed(picture, frame).convert("RGB" if channels == 3 else "L"), dtype=np.float32)
        found = network.seen.permute(1, 2, 0).numpy().reshape(expected.shape)
        # Rounding in another order moves a level up or down.
        assert np.abs(found - expected).max() <= 2.01 and np.abs(found - expected).mean() < 0.35
