"""Training a network from scratch, so that a killed training goes on where its last checkpoint was written."""

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from ftso_cli.data import AheadBatches, Augmentation, Batches, ImageData
from ftso_cli.errors import FileError, RunError, TrainingError
from ftso_cli.genotype import Cell, Genotype
from ftso_cli.genotype.schema import Model
from ftso_cli.interrupt import Interrupt, asked_to_stop
from ftso_cli.nn.checkpoint import Checkpoints, State, check_alike, write_tensors
from ftso_cli.nn.device import seeded
from ftso_cli.nn.distributed import ALONE, Group
from ftso_cli.nn.fused import network_class
from ftso_cli.nn.network import Network
from ftso_cli.nn.synchronised import synchronised
from ftso_cli.training.compiling import check_compiler, compiling
from ftso_cli.training.run import Config, Run
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


@dataclass(frozen=True, kw_only=True)
class Sums:
    """What the steps of an epoch add up to so far."""

    steps: int = 0
    images: int = 0
    correct: int = 0
    loss: float = 0.0
    seconds: float = 0.0


class _Values(Model):
    """What a checkpoint holds beside its tensors."""

    rows: tuple[Row, ...]
    sums: Sums


class Trainer:
    """A network, its optimizer and its stream of batches; `rows` holds the metrics of every finished epoch."""

    def __init__(self, genotype: Genotype, config: Config, data: ImageData, run: Run, group: Group = ALONE) -> None:
        recipe = config.recipe
        self.group = group
        self.genotype = genotype
        self.config = config
        self.data = data
        self.run = run
        self.device = group.device(torch.device(config.device))
        if config.compile:
            check_compiler(self.device)
        with seeded(config.seed):
            kind = Network if config.compile else network_class(self.device, config.image_size, config.recipe.channels)
            network = kind(genotype, config.shape, auxiliary=recipe.auxiliary > 0)
        network = network.to(self.device).to(memory_format=torch.channels_last)
        self.network = synchronised(network, group, native=True)
        self.drop_path_draws = torch.Generator(self.device).manual_seed(config.seed)
        self.network.drop_path.generator, self.network.drop_path.share = self.drop_path_draws, group.share
        self.optimizer = torch.optim.SGD(
            self.network.parameters(),
            lr=recipe.rate,
            momentum=recipe.momentum,
            weight_decay=recipe.weight_decay,
            fused=self.device.type in FUSED_OPTIMIZER,
        )
        augmentation = Augmentation.of(data, cutout=round(recipe.cutout * min(data.image_size)))
        everything = torch.arange(len(data.train))
        batches = Batches(
            data.train,
            everything,
            recipe.batch_size,
            config.seed,
            normalise=data.normalise,
            augment=augmentation,
            share=group.share,
        )
        # A GPU has nothing to do while the CPU augments; a CPU has, unless it waits for the disk.
        ahead = data.train.streams or self.device.type != "cpu"
        self.batches = AheadBatches(batches) if ahead else batches
        self.checkpoints = Checkpoints(run.checkpoint_file)
        self.rows: list[Row] = []
        self.sums = Sums()
        self._saved: tuple[int, int] | None = None
        self._stopping = False

    def train(self, on_step: Callable[[Progress], None], on_epoch: Callable[[Row], None]) -> None:
        """Trains what is left, with a checkpoint and a line of metrics after each epoch, and checkpoints in between.

        Ctrl-C ends the step in hand, writes a checkpoint and raises `KeyboardInterrupt`. Raises `TrainingError` for a
        loss or gradients that are not finite, and `FileError` for a full disk; the last checkpoint stays in both cases.
        """
        if self.rows and self.group.first:
            # A kill may have come between the checkpoint and its line of metrics.
            self.run.write_metrics(self.rows)
        with asked_to_stop() as interrupt, self.group.together(self._advice), compiling():
            parallel = self.group.parallel(self.network, spared=not _reads_all(self.genotype))
            self._forward = torch.compile(parallel) if self.config.compile else parallel
            while len(self.rows) < self.config.recipe.epochs:
                self.rows.append(self._epoch(len(self.rows), on_step, interrupt))
                self.sums = Sums()
                self.save_checkpoint()
                if self.group.first:
                    self.run.write_metrics(self.rows)
                on_epoch(self.rows[-1])
                if self._stopping:
                    raise KeyboardInterrupt

    def _epoch(self, epoch: int, on_step: Callable[[Progress], None], interrupt: Interrupt) -> Row:
        """Trains what is left of an epoch."""
        recipe, steps = self.config.recipe, self.batches.steps_per_epoch
        self.network.train()
        self.network.drop_path.rate = drop_path_rate(recipe, epoch)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(recipe, epoch)
        saved = time.perf_counter()
        while self.sums.steps < steps:
            self._step(epoch, interrupt)
            sums = self.sums
            means = {"loss": sums.loss / sums.images, "accuracy": sums.correct / sums.images}
            on_step(Progress(epoch=epoch, step=sums.steps, steps=steps, **means))
            due = time.perf_counter() - saved >= 60 * self.config.save_minutes
            if sums.steps < steps and (due or self._stopping):
                self.save_checkpoint()
                saved = time.perf_counter()
                if self._stopping:
                    raise KeyboardInterrupt
        return {
            "epoch": epoch + 1,
            "rate": learning_rate(recipe, epoch),
            "drop_path": self.network.drop_path.rate,
            **means,
            "seconds": round(self.sums.seconds, 3),
        }

    def _step(self, epoch: int, interrupt: Interrupt) -> None:
        """Trains on one batch, and adds to the sums: the loss of the main classifier, the right answers, the images.

        The processes of a group add theirs up, and stop together once one of them is asked to.
        """
        started = time.perf_counter()
        images, labels = next(self.batches)
        images = images.to(self.device, memory_format=torch.channels_last)
        labels = labels.to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.precision == "bfloat16"):
            logits, auxiliary = self._forward(images)
            loss = total = self._loss(logits, labels)
            if auxiliary is not None:
                total = loss + self.config.recipe.auxiliary * self._loss(auxiliary, labels)
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(total)
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.config.recipe.clip)
        # Looked at before the step: no checkpoint ever holds weights that are not finite.
        count, right = len(labels), int((logits.argmax(1) == labels).sum())
        mine = [count, right, loss.item() * count, total.item() * count, interrupt.asked]
        count, right, main, all_, asked = self.group.total(torch.tensor(mine, dtype=torch.float64)).tolist()
        for name, value in (("loss is", all_), ("gradients are", norm.item())):
            if not math.isfinite(value):
                raise TrainingError(self._not_finite(name, epoch))
        self.optimizer.step()
        self._stopping = asked > 0
        sums = self.sums
        self.sums = replace(
            sums,
            steps=sums.steps + 1,
            images=sums.images + int(count),
            correct=sums.correct + int(right),
            loss=sums.loss + main,
            seconds=sums.seconds + time.perf_counter() - started,
        )

    def _not_finite(self, what: str, epoch: int) -> str:
        place = f"the {what} not finite in step {self.sums.steps + 1} of epoch {epoch + 1}"
        return f"{place}; {self.saved}. Train again with a lower --rate (now {self.config.recipe.rate:g})"

    def _advice(self) -> str:
        return f"go on with: ftso train --resume {self.run.folder}"

    @property
    def saved(self) -> str:
        """What there is to go on from."""
        if self._saved is None:
            return f"{self.checkpoints.last} is as it was" if self.checkpoints.exist() else "nothing is saved yet"
        epochs, steps = self._saved
        place = f"step {steps} of epoch {epochs + 1}" if steps else f"epoch {epochs}"
        return f"{self.checkpoints.last} holds all until {place}"

    def _loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        return functional.cross_entropy(logits, labels, label_smoothing=self.config.recipe.label_smoothing)

    def save_checkpoint(self) -> None:
        """Writes all that the next step depends on: weights, momenta, random states, data order, metrics.

        It is the same in every process of a group, so the first alone writes it, and any number can go on from it.
        """
        if not self.group.first:
            return
        values = {"rows": self.rows, "sums": asdict(self.sums)}
        try:
            self.checkpoints.write(State(tensors=self._tensors(), values=values))
        except FileError as error:
            raise FileError(f"{error}; {self.saved}") from None
        self._saved = len(self.rows), self.sums.steps

    def _tensors(self) -> dict[str, Tensor]:
        """The tensors of a checkpoint, as they are now."""
        tensors = {f"network.{name}": tensor for name, tensor in self.network.state_dict().items()}
        tensors |= {f"momentum.{name}": self._momentum(parameter) for name, parameter in self._named()}
        tensors |= {f"batches.{name}": torch.as_tensor(value) for name, value in self.batches.state().items()}
        return tensors | {"drop_path": self.drop_path_draws.get_state()}

    def load_checkpoint(self) -> str:
        """Goes back to the last checkpoint, or to the one before where that is damaged, and says what is wrong with it.

        Raises `RunError` where both are damaged, or belong to another network.
        """
        state, problem = self.checkpoints.read()
        tensors = dict(state.tensors)
        try:
            check_alike(tensors, self._tensors())
            values = _Values.model_validate_json(json.dumps(state.values))
            self.network.load_state_dict(_under("network.", tensors))
            self.batches.restore(_under("batches.", tensors))
            for name, parameter in self._named():
                # The fused optimizer goes through memory without looking at the order of dimensions.
                momentum = torch.empty_like(parameter).copy_(tensors[f"momentum.{name}"])
                self.optimizer.state[parameter]["momentum_buffer"] = momentum
            self.drop_path_draws.set_state(tensors["drop_path"])
            self.rows, self.sums = list(values.rows), values.sums
            self._saved = len(self.rows), self.sums.steps
        except (RunError, ValueError, RuntimeError) as error:
            reason = " ".join(str(error).split())[:120]
            raise RunError(f"{self.run.checkpoint_file}: not a checkpoint of this network ({reason})") from None
        return problem

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


def _reads_all(genotype: Genotype) -> bool:
    """Whether every node of every cell has a part in the output, so that every parameter gets a gradient."""
    return all(_is_read(cell) for cell in genotype.cells.values())


def _is_read(cell: Cell) -> bool:
    nodes = set(cell.concat)
    for edge in sorted(cell.kept, key=lambda edge: edge.target, reverse=True):
        if edge.target in nodes:
            nodes.add(edge.source)
    # A zero passes no gradient on.
    return all(edge.op != "none" for edge in cell.kept) and nodes == {0, 1} | {edge.target for edge in cell.kept}
