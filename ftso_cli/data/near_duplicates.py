"""Images for testing or validation that look like a training image: copies, resized ones, frames of one video.

Images are compared by the differences of neighbouring pixels in a small grey picture, as a difference hash is, so
brightness, contrast and compression count for little. Two look alike where the cosine of these differences is at least
`ALIKE` at 8x8 and at 16x16 pixels, unless many others are about as close: all trousers look alike, and are no copies.
On CIFAR-10 this names 31 of 4,000 test images, all of them rightly; of Fashion-MNIST 142 of 4,000.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from ftso_cli.data.sources import CHUNK, ImageSource

ALIKE = 0.9
"""Cosine from which two images look alike, where `FEW` at most are within twice the distance of the nearest."""

SAME = 0.98
"""Cosine from which it doesn't matter how many others are close: frames of a video come in dozens."""

FEW = 5

FLAT = 2.0
"""Root mean square of differences, of 255, below which an image has no structure to compare."""

SIDE = 16

MOST_TRAINING = 100_000
"""Training images that are compared, and `MOST_PAIRS` with others; of more, a sample drawn by a fixed seed."""

MOST_PAIRS = 200_000_000


@dataclass(frozen=True, kw_only=True)
class NearDuplicates:
    """Pairs of indices, of an image of a part and the training image that it looks like, the most alike first.

    `compared` images of the part are compared with `training` images, or none because of `why_not`.
    """

    pairs: tuple[tuple[int, int], ...] = ()
    compared: int = 0
    training: int = 0
    why_not: str = ""


def find_near_duplicates(train: ImageSource, *parts: ImageSource) -> list[NearDuplicates]:
    """The images of each part, a sample of many, that look like a training image."""
    if any(source.streams for source in (train, *parts)):
        return [NearDuplicates(why_not="memory doesn't hold all of them")] * len(parts)
    if min(train.read(torch.arange(1)).shape[2:]) < SIDE:
        return [NearDuplicates(why_not=f"fewer than {SIDE} pixels are too few to tell")] * len(parts)
    known = _sample(len(train), MOST_TRAINING)
    structure = _structure(train, known)
    return [_compared(part, known, structure) for part in parts]


def _compared(part: ImageSource, known: Tensor, structure: tuple[Tensor, Tensor]) -> NearDuplicates:
    """The images of a part that look like one of the training images `known` (N,) of this structure."""
    small, large = structure
    asked = _sample(len(part), MOST_PAIRS // len(known))
    found: list[tuple[float, int, int]] = []
    for chunk in torch.split(asked, CHUNK):
        own_small, own_large = _structure(part, chunk)
        nearest, likeness, alone = _nearest(own_small, small)
        likeness = torch.minimum(likeness, (own_large * large[nearest]).sum(1))
        for at in torch.nonzero(likeness >= torch.where(alone, ALIKE, SAME)).flatten().tolist():
            found.append((-float(likeness[at]), int(chunk[at]), int(known[nearest[at]])))
    pairs = tuple((of_part, of_train) for _, of_part, of_train in sorted(found))
    return NearDuplicates(pairs=pairs, compared=len(asked), training=len(known))


def _nearest(asked: Tensor, known: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The index of the nearest of `known` (N, D) for each of `asked` (n, D), their cosine, and if few are as near."""
    found = []
    # A few at a time, so that their cosines with a hundred thousand others take 50 MB.
    for chunk in torch.split(asked, 128):
        cosine = chunk @ known.T
        best, index = cosine.max(1)
        # The squared distance of vectors of length 1 is 2 - 2 cos; four times that is twice the distance.
        near = (cosine >= (4 * best - 3).unsqueeze(1)).sum(1)
        found.append((index, best, near <= FEW))
    index, best, alone = map(torch.cat, zip(*found, strict=True))
    return index, best, alone


def _structure(source: ImageSource, indices: Tensor) -> tuple[Tensor, Tensor]:
    """Differences of neighbouring pixels as vectors of length 1, of images at 8x8 and at 16x16; 0 for flat ones."""
    small, large = zip(*_pooled(source, indices), strict=True)
    return _differences(torch.cat(small)), _differences(torch.cat(large))


def _pooled(source: ImageSource, indices: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Grey images at 8x8 and at 16x16, a chunk at a time."""
    for chunk in torch.split(indices, CHUNK):
        grey = adaptive_avg_pool2d(source.read(chunk).float().mean(1), SIDE)
        yield adaptive_avg_pool2d(grey, SIDE // 2), grey


def _differences(grey: Tensor) -> Tensor:
    across, down = (grey.diff(dim=dim).flatten(1) for dim in (1, 2))
    both = torch.cat([across, down], 1)
    length = both.norm(dim=1, keepdim=True)
    return torch.where(length > FLAT * both.shape[1] ** 0.5, both / length, 0.0)


def _sample(count: int, most: int) -> Tensor:
    """The indices of `count` images, or of a sample of `most` of them, in order."""
    if count <= most:
        return torch.arange(count)
    return torch.randperm(count, generator=torch.Generator().manual_seed(0))[:most].sort().values
