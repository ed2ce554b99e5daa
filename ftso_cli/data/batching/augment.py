"""Random crop, flip and cutout, drawn for every image on its own and done for the whole batch in tensors.

Random numbers come from a generator on the CPU, whatever device the images are on: the same seed gives the same crops
everywhere, and a checkpoint goes from one device to another.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator, Tensor
from torch.nn import functional

from ftso_cli.data.batching.resident import to_device
from ftso_cli.data.sources import ImageData, ImageSource
from ftso_cli.errors import SettingsError

Share = tuple[int, int]
"""(k, n): every n-th image of a batch from the k-th on, those of process k of n. All draw for the whole batch."""

WHOLE: Share = (0, 1)

Normalise = Callable[[Tensor], Tensor]
"""Makes pixels (n, C, H, W) uint8 to normalised float32."""


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Changes of training images: `padding` and `cutout` in pixels, 0 for none; `flip` mirrors half of them.

    The order is that of DARTS (`utils.py`): padding with black and a random crop, flip, normalise, cutout with zero,
    so the border is black and the cut square is the mean of the set.
    """

    one_by_one: ClassVar[bool] = False
    """True where images are changed one by one, which is worth a thread of its own beside a GPU."""

    padding: int = 4
    flip: bool = True
    cutout: int = 0

    def __post_init__(self) -> None:
        for name in ("padding", "cutout"):
            if getattr(self, name) < 0:
                raise SettingsError(f"{name} must be at least 0 pixels, not {getattr(self, name)}")

    @classmethod
    def of(cls, data: ImageData, cutout: int = 0) -> "Augmentation":
        """The usual one for `data`: padding by an eighth of the size (4 at 32, 1 at 8), flip where classes allow it."""
        return cls(padding=min(data.image_size) // 8, flip=data.flip, cutout=cutout)

    def read(self, source: ImageSource, indices: Tensor, generator: Generator, share: Share = WHOLE) -> Tensor:
        """Return the images at `indices` as they are, (n, C, H, W) uint8: random numbers are drawn afterwards."""
        return source.read(indices)

    def crop(self, images: Tensor, generator: Generator, share: Share) -> Tensor:
        """Return random crops of images (N, C, H, W) uint8, of their size."""
        return random_crop(images, self.padding, generator, share) if self.padding else images

    def change(self, images: Tensor, generator: Generator, share: Share) -> Tensor:
        """Return images (N, C, H, W) uint8 as they are: other policies change colours and shapes here."""
        return images

    def __call__(self, images: Tensor, normalise: Normalise, generator: Generator, share: Share = WHOLE) -> Tensor:
        """Augmented and normalised images (N, C, H, W) float32 from uint8."""
        images = self.crop(images, generator, share)
        if self.flip:
            images = random_flip(images, generator, share)
        images = normalise(self.change(images, generator, share))
        return random_cutout(images, self.cutout, generator, share) if self.cutout else images


def random_crop(images: Tensor, padding: int, generator: Generator, share: Share = WHOLE) -> Tensor:
    """Pads (N, C, H, W) by `padding` zeros at each side and cuts a window of the old size, anywhere in it."""
    count, _, height, width = images.shape
    corners = torch.randint(0, 2 * padding + 1, (2, count * share[1]), generator=generator)[:, _own(share)]
    top, left = to_device(corners, images.device)
    padded = functional.pad(images, (padding, padding, padding, padding))
    windows = padded.unfold(2, height, 1).unfold(3, width, 1)
    return windows[torch.arange(count, device=images.device), :, top, left]


def random_flip(images: Tensor, generator: Generator, share: Share = WHOLE) -> Tensor:
    """Mirrors each of (N, C, H, W) left to right with probability 1/2."""
    mirrored = torch.rand(len(images) * share[1], generator=generator)[_own(share)] < 0.5
    return torch.where(to_device(mirrored, images.device).view(-1, 1, 1, 1), images.flip(3), images)


def random_cutout(images: Tensor, length: int, generator: Generator, share: Share = WHOLE) -> Tensor:
    """Sets a square of `length` pixels to zero in each of (N, C, H, W) (DeVries and Taylor, 2017).

    Its centre is uniform over the image, so what reaches over the border is lost, as in the published code.
    """
    count, _, height, width = images.shape
    centres = [torch.randint(0, size, (count * share[1], 1), generator=generator) for size in (height, width)]
    top, left = to_device(torch.stack([centre[_own(share)] - length // 2 for centre in centres]), images.device)
    rows, columns = torch.arange(height, device=images.device), torch.arange(width, device=images.device)
    cut_rows = (rows >= top) & (rows < top + length)
    cut_columns = (columns >= left) & (columns < left + length)
    return images.masked_fill((cut_rows.unsqueeze(2) & cut_columns.unsqueeze(1)).unsqueeze(1), 0.0)


def numbers(count: int, each: int, generator: Generator, share: Share = WHOLE) -> list[list[float]]:
    """Return `each` random numbers from 0 to 1, 1 excluded, for each of the `count` images of a share of a batch."""
    return torch.rand((count * share[1], each), generator=generator, dtype=torch.float64)[_own(share)].tolist()


def _own(share: Share) -> slice:
    return slice(share[0], None, share[1])
