"""Images on the device that computes: kept there as uint8 where they fit, so that a step waits for no copy."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ftso_cli.data.files.decode import Transform
from ftso_cli.data.files.frames import Frame
from ftso_cli.data.sources import ImageSource, Progress

SHARE = 0.25
"""The most of a GPU's free memory that images may take; the networks need the rest."""


def to_device(x: Tensor, device: torch.device) -> Tensor:
    """Return a tensor of the CPU on `device`. The copy to a GPU is put in its queue, and not waited for."""
    if device.type != "cuda" or x.device == device:
        return x.to(device)
    return x.pin_memory().to(device, non_blocking=True)


class DeviceSource:
    """The images of another source, read onto a device.

    Once main memory holds all of them, they are copied to the device as uint8, if they take at most `SHARE` of the
    memory that is free there. Batches are then gathered, augmented and normalised on the device.
    """

    def __init__(self, source: ImageSource, device: torch.device) -> None:
        self._source, self._device = source, device
        self._kept: Tensor | None = None
        self._fits = True

    @property
    def labels(self) -> Tensor:
        """The class of every image, (N,) int64, on the CPU."""
        return self._source.labels

    def __len__(self) -> int:
        return len(self._source)

    @property
    def streams(self) -> bool:
        """True where every `read` decodes files."""
        return self._source.streams

    @property
    def loaded(self) -> Tensor | None:
        """All images on the device, (N, C, H, W) uint8; None where they are not kept there."""
        if self._kept is None and self._fits and (images := self._source.loaded) is not None:
            self._fits = images.nbytes <= SHARE * _free(self._device)
            self._kept = images.to(self._device) if self._fits else None
        return self._kept

    def read(self, indices: Tensor) -> Tensor:
        """The images at `indices`, (n, C, H, W) uint8 on the device."""
        kept = self.loaded
        if kept is None:
            return to_device(self._source.read(indices), self._device)
        return kept[to_device(indices, self._device)]

    def read_each(self, indices: Tensor, transforms: Sequence[Transform]) -> Tensor:
        """Return what each transform makes of its image at `indices`, (n, C, H, W) uint8 on the device."""
        return to_device(self._source.read_each(indices, transforms), self._device)

    def reframed(self, frame: Frame | None) -> "DeviceSource":
        """Do the same as the source."""
        return DeviceSource(self._source.reframed(frame), self._device)

    @property
    def paths(self) -> Sequence[str]:
        """The file of every image."""
        return self._source.paths

    def load_all(self, progress: Progress | None = None) -> Mapping[int, str]:
        """Do the same as the source."""
        return self._source.load_all(progress)


def on_device(source: ImageSource, device: torch.device) -> ImageSource:
    """Return the source as read onto `device`: itself on a CPU."""
    return source if device.type == "cpu" else DeviceSource(source, device)


def _free(device: torch.device) -> int:
    """Return the free memory of a device in bytes; a very large number where the device doesn't tell."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else 1 << 60
