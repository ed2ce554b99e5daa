"""A network and a recipe for a set of images, a machine and a time: a few rules, and steps that are timed.

The narrowest network is timed first, then wider ones, until one is too slow for the epochs that the set needs. What the
user has given is never changed. The rules come from trainings at equal time (docs/good-cells.md).
"""

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch

from ftso_cli.costs.fit import fit_channels, over_budget
from ftso_cli.costs.network import network_cost
from ftso_cli.data import ImageData
from ftso_cli.data.batching.balance import ClassSizes
from ftso_cli.errors import SettingsError
from ftso_cli.genotype import Genotype
from ftso_cli.nn.device import median_seconds, seeded
from ftso_cli.nn.merged import deployed, network_class
from ftso_cli.nn.network import Network
from ftso_cli.settings.config_file import Precision
from ftso_cli.settings.recipes import Recipe
from ftso_cli.settings.requests.train import PLANNED_CELL
from ftso_cli.spaces.darts import NetworkShape, Stem, stem_stride
from ftso_cli.training.budget import FINISH
from ftso_cli.training.step.losses import Loss
from ftso_cli.training.step.optimizer import optimizer_of
from ftso_cli.training.step.update import WeightUpdate

WIDTHS = (8, 12, 16, 24, 32, 48, 64, 96, 128, 192)
"""Channels of the first cells that are tried."""

OVERHEAD = 1.15
"""Time of a training beside its steps: augmentation, validation, checkpoints."""

RATE = 0.2 / 128
"""Highest learning rate for each image of a batch."""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """A value that was chosen for an option, and why."""

    option: str
    value: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The network and recipe of a training for a set of images, a machine and a time.

    `epochs` and `seconds` are what is expected of it; `recipe` has the most epochs that it may have. `threads` are
    those of a processor, where fewer than all are faster.
    """

    recipe: Recipe
    decisions: tuple[Decision, ...]
    epochs: int
    seconds: float
    threads: int | None = None

    @property
    def chosen(self) -> tuple[str, ...]:
        """The names of the values of the recipe that were chosen."""
        return tuple(each.option for each in self.decisions if each.option not in ("cell", "image_size"))

    def facts(self) -> dict[str, Any]:
        """Return the plan for --json."""
        chosen = {each.option: {"value": each.value, "why": each.why} for each in self.decisions}
        return {"chosen": chosen, "epochs": self.epochs, "seconds": round(self.seconds, 1)}


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The bounds of a planned network; None is no bound."""

    seconds: float
    macs: int | None = None
    params: int | None = None
    latency: float | None = None
    """Seconds of one image in use."""


def wanted_epochs(image_count: int, channels: int) -> int:
    """Return the passes over so many training images for which a network of so many channels is worth its time.

    They are a fifth as many as channels, at least five, so that time goes into both. Of fewer than 24,000 images they
    are more, with less than 48 channels in proportion.
    """
    most = min(10 * math.pow(max(24_000 / max(image_count, 1), 1), 0.7), 150)
    return round(max(min(channels / 48, 1) * most, channels / 5, 5))


def batch_for(image_count: int) -> int:
    """Return the images of a step: a power of two from 16 to 128, at least some 15 steps an epoch."""
    return 1 << min(max(int(math.log2(max(image_count, 2) / 15)), 4), 7)


def stem_for(side: int, *, even: bool = True) -> Stem:
    """Return the stem for images of a side in pixels; only some can have an odd number of channels."""
    if side <= 16:
        return "cifar"
    return "half" if not even else "pooled" if side <= 48 else "pooled-quarter"


class NetworkTimer(Protocol):
    """Tells how long networks take."""

    def training(self, shape: NetworkShape, recipe: Recipe) -> float:
        """Return the seconds that a network of a shape takes for an image in training."""

    def use(self, shape: NetworkShape) -> float:
        """Return the seconds that it takes for one image in use."""


class Planner:
    """The choices for one training. `given` names what the user has given: values of the recipe, cell, image size."""

    def __init__(
        self, genotype: Genotype, data: ImageData, recipe: Recipe, given: Collection[str], timer: NetworkTimer
    ) -> None:
        self._genotype, self._images, self._timer = genotype, data, timer
        self._given, self._recipe = given, recipe
        self._decisions: list[Decision] = []
        self._choose_by_rules(len(data.train))

    @property
    def recipe(self) -> Recipe:
        """The recipe as given and chosen so far; before `plan`, by what needs no measurement."""
        return self._recipe

    def plan(self, limits: Limits) -> Plan:
        """Return the network and recipe; raises `SettingsError` where no network keeps to the limits."""
        count = len(self._images.train)
        width, pace = self._width(limits)
        self._choose("channels", width, f"{_figure(1 / pace)} images a second in training")
        fitting, most = self._epochs(pace, limits), self._recipe.epochs
        self._choose("epochs", min(fitting, most), "fit in the time" if fitting < most else "more are not worth it")
        epochs = self._recipe.epochs
        seconds = epochs * count * pace * OVERHEAD + FINISH
        return Plan(recipe=self._recipe, decisions=tuple(self._decisions), epochs=epochs, seconds=seconds)

    def _choose_by_rules(self, count: int) -> None:
        """Choose what needs no measurement."""
        height, width = self._images.image_size
        size = str(height) if height == width else f"{height}x{width}"
        self._tell("cell", PLANNED_CELL, "learns more than a ResNet in a short training")
        self._tell("image_size", size, "the images' own size, at most 64x64")
        stem = stem_for(min(height, width), even="channels" not in self._given or self._recipe.channels % 2 == 0)
        first = "x".join(str(-(-side // stem_stride(stem))) for side in (height, width))
        self._choose("stem", stem, f"cells begin at {first} pixels")
        if self._genotype.space == "nats":
            self._choose("reduction", "pooled", "learns more than residual blocks in the same time")
        self._choose("cells", self._recipe.cells, "few cells, so that they can be wide")
        self._choose("augmentation", self._recipe.augmentation, "random crops; strong was no better in trials")
        batch = min(batch_for(count), count)
        self._choose("batch_size", batch, f"{max(count // batch, 1):,} steps an epoch")
        sizes = ClassSizes.of(self._images.train.labels, len(self._images.classes))
        if sizes.uneven:
            self._choose("balance", "loss", f"the largest class is {sizes.ratio:.0f} times the smallest")
        if self._images.val is None:
            self._choose("keep", "last", "there are no validation images")
        self._choose("rate", round(RATE * self._recipe.batch_size, 4), "in proportion to the batch size")

    def _choose(self, option: str, value: Any, why: str) -> None:
        """Take a value for an option of the recipe, unless it is given."""
        if option in self._given:
            return
        self._recipe = replace(self._recipe, **{option: value})
        self._tell(option, value, why)

    def _tell(self, option: str, value: Any, why: str) -> None:
        """Add a decision, unless it is the user's."""
        if option not in self._given:
            self._decisions.append(Decision(option=option, value=str(value), why=why))

    def _epochs(self, pace: float, limits: Limits) -> int:
        """Return how many passes over the images fit, at so many seconds an image."""
        return max(int((limits.seconds - FINISH) / (pace * OVERHEAD * len(self._images.train))), 1)

    def _is_fast_enough(self, width: int, pace: float, limits: Limits) -> bool:
        """Return True where the epochs that are worth so many channels, and those that are given, fit in the time."""
        given = self._recipe.epochs if "epochs" in self._given else 0
        return self._epochs(pace, limits) >= max(given, wanted_epochs(len(self._images.train), width))

    def _width(self, limits: Limits) -> tuple[int, float]:
        """Return the largest width that is fast enough, else the smallest, and its seconds an image in training."""
        found: tuple[int, float] | None = None
        for width in self._widths(limits):
            shape = self._shape(width)
            if not self._is_quick_in_use(shape, limits, first=found is None):
                break
            pace = self._timer.training(shape, self._recipe)
            is_fast = self._is_fast_enough(width, pace, limits)
            found = (width, pace) if is_fast or found is None else found
            if not is_fast:
                break
        assert found is not None
        return found

    def _is_quick_in_use(self, shape: NetworkShape, limits: Limits, *, first: bool) -> bool:
        """Return True where a network keeps to the latency; raises `SettingsError` where the first doesn't."""
        if limits.latency is None or (found := self._timer.use(shape)) <= limits.latency:
            return True
        if first:
            raise SettingsError(
                f"nothing fits: with {shape.channels} channels an image takes {1000 * found:.2g} ms, more than "
                f"{1000 * limits.latency:.2g} ms; allow more, or take smaller images"
            )
        return False

    def _widths(self, limits: Limits) -> list[int]:
        """Return the widths that keep to the limits, the narrowest first."""
        if "channels" in self._given:
            width, size = self._recipe.channels, self._images.image_size
            cost = network_cost(self._genotype, self._shape(width), size)
            if over := over_budget(cost, limits.macs, limits.params, "conv-linear"):
                raise SettingsError(f"nothing fits: with {width} channels it has {over}; allow more, or take fewer")
            return [width]
        most, step = WIDTHS[-1], self._shape(WIDTHS[-1]).step
        if limits.macs is not None or limits.params is not None:
            narrowest, size = self._shape(step), self._images.image_size
            widest = fit_channels(self._genotype, narrowest, size, macs=limits.macs, params=limits.params)
            most = min(widest.channels, most)
        return [width for width in WIDTHS if width < most] + [most]

    def _shape(self, width: int) -> NetworkShape:
        """Return the network of so many channels."""
        return shape_of(replace(self._recipe, channels=width), self._images)


def shape_of(recipe: Recipe, data: ImageData) -> NetworkShape:
    """Return the shape of the network that a recipe trains on some images."""
    return recipe.shape(classes=len(data.classes), image_channels=data.channels)


@dataclass(frozen=True, kw_only=True)
class MeasuredTimes:
    """Networks of a cell on a device, with images of the size of a set: each is built, and timed for a few steps."""

    genotype: Genotype
    size: tuple[int, int]
    device: torch.device
    precision: Precision

    def training(self, shape: NetworkShape, recipe: Recipe) -> float:
        """Return the seconds for an image in training."""
        step = self.step(shape, recipe)
        step()
        return median_seconds(step) / recipe.batch_size

    def step(self, shape: NetworkShape, recipe: Recipe) -> Callable[[], object]:
        """Return a step of training on random pixels, which leaves no trace in torch's random numbers."""
        with seeded(0):
            network = network_class(self.device)(self.genotype, shape, auxiliary=recipe.auxiliary > 0)
            pixels = torch.randn(recipe.batch_size, shape.image_channels, *self.size)
            labels = torch.randint(shape.classes, (recipe.batch_size,)).to(self.device)
        network = network.to(self.device).to(memory_format=torch.channels_last).train()
        pixels = pixels.to(self.device, memory_format=torch.channels_last)
        update = WeightUpdate(
            network=network,
            forward=network,
            optimizer=optimizer_of(network, recipe, self.device),
            loss=Loss(smoothing=recipe.label_smoothing),
            recipe=recipe,
            bfloat16=self.precision == "bfloat16",
        )
        return lambda: update(pixels, labels).cpu()

    def use(self, shape: NetworkShape) -> float:
        """Return the seconds for one image in use, the network deployed."""
        with seeded(0):
            network = deployed(Network(self.genotype, shape, auxiliary=False).to(self.device))
        image = torch.zeros(1, shape.image_channels, *self.size, device=self.device)

        def answer() -> None:
            with torch.inference_mode():
                network(image)[0].sum().item()

        answer()
        return median_seconds(answer, 15)


def _figure(number: float) -> str:
    """Return a number to two or three digits, as it is no more exact."""
    return f"{float(f'{number:.2g}'):,.0f}" if number >= 1 else f"{number:.2g}"
