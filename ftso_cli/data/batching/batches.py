"""Batches of normalised images: endless and seeded for training, once and in order for evaluation."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Generator, Tensor

from ftso_cli.data.batching.augment import WHOLE, Augmentation, Normalise, Share
from ftso_cli.data.batching.resident import to_device
from ftso_cli.data.sources import ImageSource
from ftso_cli.errors import DataError, RunError

Batch = tuple[Tensor, Tensor]
"""Images (n, C, H, W) float32 and their labels (n,) int64, on the device that the source reads onto."""


class Batches:
    """An endless iterator of batches, shuffled anew each epoch; the last images that fill no batch are left out.

    With `weights` (n,), one of each of the indices, an epoch draws as many images with replacement instead, each with a
    probability in proportion to its weight.

    Iterators that run side by side need different seeds, or they would shuffle alike. `state` and `restore` let a
    resumed run see the batches that an uninterrupted one sees. With a `share`, each batch is this process's part of it.
    Raises `DataError` where there are fewer images than one batch.
    """

    def __init__(
        self,
        source: ImageSource,
        indices: Tensor,
        batch_size: int,
        seed: int,
        *,
        normalise: Normalise,
        augment: Augmentation | None = None,
        share: Share = WHOLE,
        weights: Tensor | None = None,
    ) -> None:
        check_batch(batch_size, len(indices), share[1])
        if batch_size % share[1]:
            raise DataError(
                f"a batch of {batch_size} images can't be shared by {share[1]} processes; "
                f"use --batch-size {batch_size - batch_size % share[1] or share[1]}"
            )
        self._source, self._indices, self._batch_size = source, indices, batch_size
        self._normalise, self._augment, self._share, self._weights = normalise, augment, share, weights
        self._shuffling = Generator().manual_seed(seed)
        # A stream of its own: the order of images stays the same with another augmentation, or none.
        self._augmenting = Generator().manual_seed(int(torch.randint(2**62, (), generator=self._shuffling)))
        self._start_epoch(0)

    @property
    def steps_per_epoch(self) -> int:
        """Batches in one pass over the images."""
        return len(self._indices) // self._batch_size

    @property
    def epoch(self) -> int:
        """Passes over the images that lie behind."""
        return self._epoch + self._position // self.steps_per_epoch

    def __iter__(self) -> "Batches":
        return self

    def __next__(self) -> Batch:
        if self._position == self.steps_per_epoch:
            self._start_epoch(self._epoch + 1)
        first = self._position * self._batch_size
        rank, size = self._share
        chosen = self._order[first : first + self._batch_size][rank::size]
        if self._augment is None:
            images = self._source.read(chosen)
        else:
            images = self._augment.read(self._source, chosen, self._augmenting, self._share)
        labels = to_device(self._source.labels[chosen], images.device)
        self._position += 1
        if self._augment is None:
            return self._normalise(images), labels
        return self._augment(images, self._normalise, self._augmenting, self._share), labels

    def _start_epoch(self, epoch: int) -> None:
        self._epoch, self._position = epoch, 0
        self._before_shuffle = self._shuffling.get_state()
        count, shuffling = len(self._indices), self._shuffling
        self._order = self._indices[
            torch.randperm(count, generator=shuffling)
            if self._weights is None
            else torch.multinomial(self._weights, count, replacement=True, generator=shuffling)
        ]

    def state(self) -> dict[str, Any]:
        """Return everything that resuming needs: counts, and the states of the generators as uint8 tensors."""
        return {
            "images": len(self._indices),
            "batch_size": self._batch_size,
            "epoch": self._epoch,
            "position": self._position,
            "shuffling": self._before_shuffle,
            "augmenting": self._augmenting.get_state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Goes on from a `state` of the same images and batch size; raises `RunError` for any other."""
        try:
            for name, mine in (("images", len(self._indices)), ("batch_size", self._batch_size)):
                if state[name] != mine:
                    raise RunError(f"the saved run has {state[name]} as {name.replace('_', ' ')}, this one {mine}")
            epoch, position = int(state["epoch"]), int(state["position"])
            if epoch < 0 or not 0 <= position <= self.steps_per_epoch:
                raise ValueError(f"position {position} in epoch {epoch}")
            self._shuffling.set_state(state["shuffling"])
            self._start_epoch(epoch)
            self._position = position
            self._augmenting.set_state(state["augmenting"])
        except (KeyError, TypeError, ValueError, OverflowError, RuntimeError) as error:
            raise RunError(f"the saved state of the batches is damaged ({error})") from None


def check_batch(batch_size: int, image_count: int, processes: int = 1) -> None:
    """Raises `DataError` for a batch that so many images don't fill, with the largest one that they do."""
    if 1 <= batch_size <= image_count:
        return
    most = image_count - image_count % processes
    if most < 2:
        raise DataError(
            f"{image_count or 'no'} image{'s' * (image_count != 1)} to draw from, and a batch has at least two; "
            "add images, or take a larger share of them"
        )
    raise DataError(
        f"a batch of {batch_size} images is larger than the {image_count} images to draw from; "
        f"use --batch-size {most} or less"
    )


def eval_batches(
    source: ImageSource, indices: Tensor | None, batch_size: int, *, normalise: Normalise
) -> Iterator[Batch]:
    """The images at `indices` (all for None) once, in order, the last batch as small as it comes."""
    chosen = torch.arange(len(source)) if indices is None else indices
    for part in torch.split(chosen, batch_size):
        if len(part):
            yield normalise(source.read(part)), source.labels[part]
