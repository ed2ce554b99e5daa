"""Training a network from scratch, an epoch at a time, so that a killed training goes on where its last epoch ended."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from ftso_cli.data import Augmentation, Batches, ImageData
from ftso_cli.errors import RunError, TrainingError
from ftso_cli.genotype import Genotype
from ftso_cli.nn.device import seeded
from ftso_cli.nn.fused import network_class
from ftso_cli.spaces.darts import NetworkShape
from ftso_cli.training.run import Config, Run, read_tensors, write_tensors
from ftso_cli.training.schedule import drop_path_rate, learning_rate

Row = dict[str, float | int]

FUSED_OPTIMIZER = ("cpu", "cuda", "mps")
"""Devices on which PyTorch updates all parameters by one kernel."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Where a training stands after a step: running means over the epoch."""

    epoch: int
    step: int
    steps: int
    loss: float
    accuracy: float


def network_shape(config: Config) -> NetworkShape:
    """The shape of the network that a configuration trains."""
    return NetworkShape(
        channels=config.recipe.channels,
        cells=config.recipe.cells,
        classes=len(config.classes),
        image_channels=config.image_channels,
        stem=config.recipe.stem,
    )


class Trainer:
    """A network, its optimizer and its stream of batches; `rows` holds the metrics of every finished epoch."""

    def __init__(self, genotype: Genotype, config: Config, data: ImageData, run: Run) -> None:
        recipe = config.recipe
        self.genotype = genotype
        self.config = config
        self.data = data
        self.run = run
        self.device = torch.device(config.device)
        with seeded(config.seed):
            kind = network_class(self.device, config.image_size)
            network = kind(genotype, network_shape(config), auxiliary=recipe.auxiliary > 0)
        self.network = network.to(self.device).to(memory_format=torch.channels_last)
        self.drop_path_draws = torch.Generator(self.device).manual_seed(config.seed)
        self.network.drop_path.generator = self.drop_path_draws
        self.optimizer = torch.optim.SGD(
            self.network.parameters(),
            lr=recipe.rate,
            momentum=recipe.momentum,
            weight_decay=recipe.weight_decay,
            fused=self.device.type in FUSED_OPTIMIZER,
        )
        augmentation = Augmentation.of(data, cutout=round(recipe.cutout * min(data.image_size)))
        everything = torch.arange(len(data.train))
        self.batches = Batches(
            data.train, everything, recipe.batch_size, config.seed, normalise=data.normalise, augment=augmentation
        )
        self.rows: list[Row] = []

    def train(self, on_step: Callable[[Progress], None], on_epoch: Callable[[Row], None]) -> None:
        """Trains the epochs that are left, writing metrics and a checkpoint after each."""
        while len(self.rows) < self.config.recipe.epochs:
            self.rows.append(self._epoch(len(self.rows), on_step))
            self.save_checkpoint()
            self.run.write_metrics(self.rows)
            on_epoch(self.rows[-1])

    def _epoch(self, epoch: int, on_step: Callable[[Progress], None]) -> Row:
        recipe, started = self.config.recipe, time.perf_counter()
        self.network.train()
        self.network.drop_path.rate = drop_path_rate(recipe, epoch)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(recipe, epoch)
        loss_sum, correct, seen = 0.0, 0, 0
        for step in range(self.batches.steps_per_epoch):
            loss, right, count = self._step(epoch)
            loss_sum, correct, seen = loss_sum + loss * count, correct + right, seen + count
            on_step(
                Progress(
                    epoch=epoch,
                    step=step + 1,
                    steps=self.batches.steps_per_epoch,
                    loss=loss_sum / seen,
                    accuracy=correct / seen,
                )
            )
        return {
            "epoch": epoch + 1,
            "rate": learning_rate(recipe, epoch),
            "drop_path": self.network.drop_path.rate,
            "loss": loss_sum / seen,
            "accuracy": correct / seen,
            "seconds": round(time.perf_counter() - started, 3),
        }

    def _step(self, epoch: int) -> tuple[float, int, int]:
        """One batch; the loss of the main classifier, the number of right answers, and the number of images."""
        images, labels = next(self.batches)
        images = images.to(self.device, memory_format=torch.channels_last)
        labels = labels.to(self.device)
        logits, auxiliary = self.network(images)
        loss = total = self._loss(logits, labels)
        if auxiliary is not None:
            total = loss + self.config.recipe.auxiliary * self._loss(auxiliary, labels)
        if not torch.isfinite(total):
            raise TrainingError(
                f"the loss is not finite in epoch {epoch + 1}; {self.run.folder} holds the epoch before. "
                f"Train again with a lower --rate (now {self.config.recipe.rate:g})"
            )
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(total)
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.config.recipe.clip)
        self.optimizer.step()
        return loss.item(), int((logits.argmax(1) == labels).sum()), len(labels)

    def _loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        return functional.cross_entropy(logits, labels, label_smoothing=self.config.recipe.label_smoothing)

    def save_checkpoint(self) -> None:
        """Writes all that the next epoch depends on: weights, momenta, random states, data order, metrics."""
        tensors = {f"network.{name}": tensor for name, tensor in self.network.state_dict().items()}
        tensors |= {f"momentum.{name}": self._momentum(parameter) for name, parameter in self._named()}
        tensors |= {f"batches.{name}": torch.as_tensor(value) for name, value in self.batches.state().items()}
        tensors["drop_path"] = self.drop_path_draws.get_state()
        write_tensors(tensors, self.run.checkpoint_file, {"rows": json.dumps(self.rows)})

    def load_checkpoint(self) -> None:
        """Goes back to the last finished epoch; raises `RunError` for a damaged checkpoint or another network's."""
        tensors, about = read_tensors(self.run.checkpoint_file)
        try:
            self.network.load_state_dict(_under("network.", tensors))
            self.batches.restore(_under("batches.", tensors))
            for name, parameter in self._named():
                # The fused optimizer goes through memory without looking at the order of dimensions.
                momentum = torch.empty_like(parameter).copy_(tensors[f"momentum.{name}"])
                self.optimizer.state[parameter]["momentum_buffer"] = momentum
            self.drop_path_draws.set_state(tensors["drop_path"])
            self.rows = json.loads(about["rows"])
        except (KeyError, ValueError, RuntimeError, TypeError) as error:
            reason = " ".join(str(error).split())[:120]
            raise RunError(f"{self.run.checkpoint_file}: not a checkpoint of this network ({reason})") from None

    def save_weights(self) -> None:
        """Writes the trained network without its auxiliary head, which only training needs."""
        kept = {name: t for name, t in self.network.state_dict().items() if not name.startswith("auxiliary.")}
        write_tensors(kept, self.run.weights_file)

    def _named(self) -> list[tuple[str, torch.nn.Parameter]]:
        return list(self.network.named_parameters())

    def _momentum(self, parameter: torch.nn.Parameter) -> Tensor:
        """The optimizer's memory of a parameter; a parameter that no loss depends on has none."""
        momentum = self.optimizer.state[parameter].get("momentum_buffer")
        return torch.zeros_like(parameter) if momentum is None else momentum


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
