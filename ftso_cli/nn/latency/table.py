"""Milliseconds of operations on a device, measured when they are first met, and kept in the cache.

A file holds the operations of one device, its number of threads and one version of torch, so that a network whose
operations are known is estimated, not timed.
"""

import platform
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Literal

import torch
from pydantic import Field, ValidationError

from ftso_cli import caching
from ftso_cli.errors import BusyError, FileError
from ftso_cli.files import read_bytes, write_inside
from ftso_cli.genotype import Genotype
from ftso_cli.genotype.schema import Model
from ftso_cli.locks import locked
from ftso_cli.nn.device import kept_threads, seeded
from ftso_cli.nn.latency.operations import operation_seconds, operations
from ftso_cli.nn.merged import deployed
from ftso_cli.nn.network import Network
from ftso_cli.spaces.darts import NetworkShape

LIMIT = 50_000_000
"""Bytes of a file."""


class OperationTime(Model):
    """The median of several runs, and the distance between their quartiles, in milliseconds."""

    milliseconds: Annotated[float, Field(gt=0, le=1e7)]
    spread: Annotated[float, Field(ge=0, le=1e7)]


class _Content(Model):
    format: Literal["ftso-latency/1"]
    about: dict[str, str]
    times: Annotated[dict[str, OperationTime], Field(max_length=200_000)]


@dataclass(frozen=True, kw_only=True)
class OperationRow:
    """An operation of a network: its name, how often it is called, and the time of a call."""

    name: str
    calls: int
    time: OperationTime

    @property
    def milliseconds(self) -> float:
        """The time of all calls."""
        return self.calls * self.time.milliseconds


@dataclass(frozen=True, kw_only=True)
class LatencyEstimate:
    """The latency of a network as the sum over its operations, the slowest first."""

    rows: tuple[OperationRow, ...]

    @property
    def milliseconds(self) -> float:
        """The sum."""
        return sum(row.milliseconds for row in self.rows)

    @property
    def spread(self) -> float:
        """The sum of the operations' spreads."""
        return sum(row.calls * row.time.spread for row in self.rows)


class LatencyTable:
    """The times of operations on a `device`, with as many threads as torch uses now."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.about = {
            "type": device.type,
            "device": _name(device),
            "threads": str(torch.get_num_threads()),
            "torch": torch.__version__,
        }
        self._path = _place(self.about)
        self.times = self._read()
        """The times to go by, which may be those of another device."""
        self._measured: dict[str, OperationTime] = {}
        """Times of this device that are not in the cache yet."""

    def estimate(
        self, genotype: Genotype, shape: NetworkShape, image_size: tuple[int, int], *, batch_size: int = 1
    ) -> LatencyEstimate:
        """Return the latency of a deployed network; where operations are new, a random network is run a few times."""
        images = batch_size, shape.image_channels, *image_size
        names = network_operations(genotype, shape, images, self.device)
        return self.total(Counter(names), genotype, shape, images)

    def total(
        self, names: Mapping[str, int], genotype: Genotype, shape: NetworkShape, images: Sequence[int]
    ) -> LatencyEstimate:
        """Return the latency of operations by name and number of calls, which are those of a network on (N, C, H, W).

        Where some are new, the network of random weights is run a few times.
        """
        if not self.times.keys() >= names.keys():
            self._measure(genotype, shape, torch.zeros(*images))
        rows = [OperationRow(name=name, calls=calls, time=self.times[name]) for name, calls in names.items()]
        return LatencyEstimate(rows=tuple(sorted(rows, key=lambda row: (-row.milliseconds, row.name))))

    def save(self) -> None:
        """Keep what was measured in the cache, where there is one that can be written, beside what others measured."""
        if self._path is None or not self._measured:
            return
        with suppress(OSError, FileError, BusyError):
            caching.prepare(self._path.parent)
            with locked(self._path):
                content = _Content(format="ftso-latency/1", about=self.about, times=self._measured | self._read())
                write_inside(self._path, content.model_dump_json().encode())
            self._measured = {}

    def _read(self) -> dict[str, OperationTime]:
        """Return what the cache has of the device."""
        with suppress(FileError, ValidationError):
            if self._path is not None:
                content = _Content.model_validate_json(read_bytes(self._path, limit=LIMIT))
                if content.about == self.about:
                    return dict(content.times)
        return {}

    def _measure(self, genotype: Genotype, shape: NetworkShape, images: torch.Tensor) -> None:
        """Add the operations that are new."""
        with seeded(0):
            network = deployed(Network(genotype, shape, auxiliary=False).to(self.device))
        images = images.to(self.device).contiguous(memory_format=torch.channels_last)
        found: dict[str, list[list[float]]] = {}
        with kept_threads():
            torch.set_num_threads(int(self.about["threads"]))
            for name, seconds in zip(operations(network, images)[0], operation_seconds(network, images), strict=True):
                found.setdefault(name, []).append(seconds)
        for name in found.keys() - self.times.keys():
            quartiles = [statistics.quantiles(seconds, n=4) for seconds in found[name]]
            low, median, high = (1000 * statistics.fmean(each) for each in zip(*quartiles, strict=True))
            time = OperationTime(milliseconds=max(round(median, 6), 1e-6), spread=round(high - low, 6))
            self.times[name] = self._measured[name] = time


def network_operations(
    genotype: Genotype, shape: NetworkShape, images: Sequence[int], device: torch.device
) -> list[str]:
    """Return the names of the operations of a deployed network on images (N, C, H, W)."""
    with seeded(0):
        network = deployed(Network(genotype, shape, auxiliary=False).to(device))
    return operations(network, torch.zeros(*images, device=device))[0]


def _name(device: torch.device) -> str:
    """The name of a device's hardware."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _place(about: dict[str, str]) -> Path | None:
    """The file of the cache for a device, None where there is no cache."""
    try:
        room = caching.cache_subfolder("latency")
    except FileError:
        return None
    name = sha256(repr(sorted(about.items())).encode()).hexdigest()[:32]
    return None if room is None else room / f"{name}.json"
