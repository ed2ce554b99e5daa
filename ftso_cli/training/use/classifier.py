"""A trained network with all that is needed to use it: the names of its classes, and how an image becomes its input."""

from collections.abc import Iterable, Iterator, Sequence
from copy import deepcopy
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from ftso_cli.data.files.decode import TOO_LARGE, decode, prepared, quiet
from ftso_cli.data.files.frames import Frame
from ftso_cli.errors import DataError
from ftso_cli.nn.blocks import in_blocks
from ftso_cli.nn.merged import deployed
from ftso_cli.nn.network import Network
from ftso_cli.training.run import Config, Run
from ftso_cli.training.testing.evaluate import load_trained


class Classifier(nn.Module):
    """Images (N, C, H, W), RGB or grey, float32 in 0..1, to logits (N, classes). Normalising is part of it.

    `classes` are the names in the order of the logits, `image_size` is (height, width), `channels` is C, `frame`
    how pictures are brought to that size. `unfinished` says where a training stands that has not ended yet, and is
    empty otherwise.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, config: Config, unfinished: str = "") -> None:
        super().__init__()
        self.unfinished = unfinished
        self.network = network
        self.classes = config.classes
        self.image_size = config.image_size
        self.channels = config.image_channels
        self.frame = Frame(config.image_size, config.resize, margin=config.recipe.augmentation == "imagenet")
        self.register_buffer("mean", torch.tensor(config.mean).view(-1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(config.std).view(-1, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """The logits of images in 0..1."""
        logits: Tensor = self.network((images - self.mean) / self.std)[0]
        return logits

    def deploy(self, *, blocks: bool = False) -> "Classifier":
        """Return a copy to use: the same logits to rounding from fewer operations, with no weights to train.

        Batch norms are part of the convolutions in front of them, and convolutions that read one map are one. With
        `blocks`, widths are multiples of those that runtimes compute at once.
        """
        if isinstance(self.network, Network):
            network: nn.Module = deployed(in_blocks(self.network) if blocks else self.network)
        else:
            network = deepcopy(self.network)
        return deepcopy(self, {id(self.network): network})

    def preprocess(self, image: str | Path | Image.Image) -> Tensor:
        """An image or its file as (C, H, W) in 0..1, brought to its size as in training; raises `DataError`."""
        if isinstance(image, Image.Image):
            picture = image.copy()
            # What the levels of an image of 32 bits mean depends on the kind of its file.
            picture.format = image.format
            try:
                coloured = prepared(picture, self.frame)
            except (ValueError, Image.DecompressionBombError) as error:
                raise DataError(f"the image can't be used: {str(error) or TOO_LARGE}") from None
        else:
            with quiet():
                coloured = Image.fromarray(decode(str(image), self.frame))
        pixels = np.asarray(coloured if self.channels == 3 else coloured.convert("L"))
        return torch.from_numpy(pixels.copy()).view(*self.image_size, self.channels).permute(2, 0, 1).float() / 255

    def answers(self, files: Iterable[str], broken: dict[str, str]) -> Iterator[tuple[str, Tensor]]:
        """Each file with the probability of each class, (classes,); `broken` gets those that can't be read, and why."""
        inputs: list[tuple[str, Tensor]] = []
        for file in files:
            try:
                inputs.append((file, self.preprocess(file)))
            except DataError as error:
                broken[file] = str(error)
        if inputs:
            names, images = zip(*inputs, strict=True)
            yield from zip(names, self._shares(images), strict=True)

    def probabilities(self, images: Iterable[str | Path | Image.Image]) -> Tensor:
        """The probability of each class for each image or file, (n, classes)."""
        inputs = [self.preprocess(image) for image in images]
        return self._shares(inputs) if inputs else torch.empty(0, len(self.classes))

    @torch.inference_mode()
    def _shares(self, inputs: Sequence[Tensor]) -> Tensor:
        logits: Tensor = self(torch.stack(tuple(inputs)).to(self.mean.device))
        return logits.softmax(1).cpu()


def load_classifier(run: Run, device: torch.device) -> Classifier:
    """The network of a run, as far as it is trained; raises `RunError` where the run has none."""
    network, unfinished = load_trained(run, device)
    return Classifier(network, run.config(), unfinished).to(device).eval()
