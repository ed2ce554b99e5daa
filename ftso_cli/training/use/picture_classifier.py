"""A trained network that takes pictures of any size: what `Classifier.preprocess` does, as part of the graph."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ftso_cli.training.use.classifier import Classifier

GREY = (19595, 38470, 7471)
"""Shares of red, green and blue in a grey level, in 65536ths, as Pillow has them."""


class PictureClassifier(nn.Module):
    """A picture (H, W, 3), RGB, uint8, to the probability of each class, (classes,).

    The picture is resized as Pillow does it: the weights of `Resampling.BILINEAR` as one matrix for the rows and one
    for the columns, with values rounded to 8 bits after each. Pillow's fixed-point arithmetic, and its order on
    pictures that are tall, make a difference of one level.
    """

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, picture: Tensor) -> Tensor:
        """The probability of each class of a picture."""
        height, width = (torch.arange(length, dtype=torch.float64) for length in picture.shape[:2])
        down, across = self._placed(height[-1] + 1, width[-1] + 1)
        rows, columns = self.classifier.image_size
        pixels = picture.permute(2, 0, 1).float()
        pixels = _levels(pixels @ _weights(width, across, columns).T)
        pixels = _levels(_weights(height, down, rows) @ pixels)
        if self.classifier.channels == 1:
            shares = torch.tensor(GREY, dtype=torch.float64).view(3, 1, 1)
            pixels = (((pixels * shares).sum(0, keepdim=True) + 32768) / 65536).floor().float()
        logits: Tensor = self.classifier(pixels.unsqueeze(0) / 255)
        return logits.softmax(1)[0]

    def _placed(self, height: Tensor, width: Tensor) -> tuple["_Axis", "_Axis"]:
        """Return the rows and columns of a picture that the input takes, as `frames.framed` brings it to size."""
        frame = self.classifier.frame
        (rows, columns), (down, across) = frame.size, frame.reach
        wide = width * down >= height * across
        if frame.resize == "crop" and not frame.margin:
            seen = (
                torch.where(wide, height, width * (rows / columns)),
                torch.where(wide, height * (columns / rows), width),
            )
            return _fitted(height, seen[0], rows), _fitted(width, seen[1], columns)
        if frame.resize == "stretch":
            scaled = torch.full_like(height, rows), torch.full_like(width, columns)
        elif frame.resize == "crop":
            scaled = (
                torch.where(wide, down, (across * height / width).floor()).clamp(min=down),
                torch.where(wide, (down * width / height).floor(), across).clamp(min=across),
            )
        else:
            scaled = (
                torch.where(wide, (across * height / width).round(), down).clamp(min=1),
                torch.where(wide, across, (down * width / height).round()).clamp(min=1),
            )
        return _pasted(height, scaled[0], rows), _pasted(width, scaled[1], columns)


@dataclass(frozen=True, kw_only=True)
class _Axis:
    """The mapping of a picture's pixels to those of the image along one axis.

    The picture counts from `start` on, `step` of its pixels make one, there are `length` of these, and the first of the
    image is number `skipped`, which is negative between bars.
    """

    start: Tensor
    step: Tensor
    length: Tensor
    skipped: Tensor


def _fitted(length: Tensor, seen: Tensor, size: int) -> _Axis:
    """The middle of a picture, `seen` of `length` pixels, as `size` pixels."""
    first = (length - seen) / 2
    # Pillow keeps the edges in single precision.
    start, end = first.float().double(), (first + seen).float().double()
    nothing = torch.zeros_like(length)
    return _Axis(start=start, step=(end - start) / size, length=nothing + size, skipped=nothing)


def _pasted(length: Tensor, scaled: Tensor, size: int) -> _Axis:
    """A picture of `length` pixels made `scaled`, in the middle of `size`."""
    cut, bar = ((scaled - size) / 2).round(), ((size - scaled) / 2).floor()
    skipped = torch.where(scaled <= size, -bar, cut)
    return _Axis(start=torch.zeros_like(length), step=length / scaled, length=scaled, skipped=skipped)


def _weights(places: Tensor, axis: _Axis, size: int) -> Tensor:
    """The weights of the pixels at `places`, (length,), in `size` pixels: (size, length), no weight on bars."""
    number = torch.arange(size, dtype=torch.float64) + axis.skipped
    centres = (axis.start + (number + 0.5) * axis.step).unsqueeze(1)
    weights = (1 - (places + 0.5 - centres).abs() / axis.step.clamp(min=1)).clamp(min=0)
    inside = ((number >= 0) & (number < axis.length)).unsqueeze(1)
    return torch.where(inside, weights / weights.sum(1, keepdim=True), 0).float()


def _levels(pixels: Tensor) -> Tensor:
    """Pixels as whole numbers, half upwards."""
    return (pixels + 0.5).floor()
