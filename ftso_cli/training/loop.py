"""Training a network from scratch, so that a killed training goes on where its last checkpoint was written."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from ftso_cli.data import Augmentation, Batches, ImageData, PrefetchedBatches, on_device
from ftso_cli.data.batching.balance import LOSS_POWER, class_weights
from ftso_cli.errors import FileError, RunError, TrainingError
from ftso_cli.genotype import Cell, Genotype, graph
from ftso_cli.interrupt import Interrupt, deferred_interrupt
from ftso_cli.nn.checkpoint import Checkpoints, read_tensors, write_tensors
from ftso_cli.nn.device import enough_memory, seeded
from ftso_cli.nn.distributed import ALONE, Group
from ftso_cli.nn.graphs import graphed
from ftso_cli.nn.merged import network_class
from ftso_cli.nn.network import Network
from ftso_cli.nn.readings import Throttle
from ftso_cli.nn.synchronised import synchronised
from ftso_cli.settings.recipes import Recipe
from ftso_cli.shell import command_line
from ftso_cli.training.budget import TimeBudget, check_interval
from ftso_cli.training.compiling import check_compiler, compile_cells, compiling
from ftso_cli.training.progress import Row, Sums, TrainingProgress
from ftso_cli.training.resuming import restore, state_of
from ftso_cli.training.run import Config, Run
from ftso_cli.training.start import begin_from
from ftso_cli.training.step.averaging import averaged_copy
from ftso_cli.training.step.losses import Loss
from ftso_cli.training.step.mixing import Mixing
from ftso_cli.training.step.optimizer import optimizer_of, set_rate
from ftso_cli.training.step.schedule import Course, step_drop_path, step_rate
from ftso_cli.training.step.update import WeightUpdate
from ftso_cli.training.validation import best_epoch, validation_columns, waited


class Trainer:
    """A network, its optimizer and its stream of batches; `rows` holds the metrics of every finished epoch.

    A GPU replays its step as a graph, and is waited for only when its numbers are read: a few times a second, and
    before anything is kept. `graphs` = False before training launches kernel by kernel.
    """

    graphs = True

    def __init__(
        self,
        genotype: Genotype,
        config: Config,
        data: ImageData,
        run: Run,
        group: Group = ALONE,
        start: Mapping[str, Tensor] | None = None,
    ) -> None:
        recipe = config.recipe
        self.start = start
        self.group = group
        self.genotype = genotype
        self.config = config
        self.data = data
        self.run = run
        self.device = group.device(torch.device(config.device))
        if config.compile:
            check_compiler(self.device)
        network = _built(genotype, config, self.device, start)
        with enough_memory(self.device):
            network = network.to(self.device).to(memory_format=torch.channels_last)
            self.average = averaged_copy(network, recipe.average) if recipe.average else None
        self.network = synchronised(network, group, native=True)
        self.drop_path_draws = torch.Generator(self.device).manual_seed(config.seed)
        self.network.drop_path.generator, self.network.drop_path.share = self.drop_path_draws, group.share
        self.network.drop_path.active = recipe.drop_path > 0
        self.optimizer = optimizer_of(self.network, recipe, self.device)
        augmentation = _augmentation(recipe, data)
        source = on_device(data.train, self.device)
        batches = Batches(
            source,
            torch.arange(len(source)),
            recipe.batch_size,
            config.seed,
            normalise=data.normalise,
            augment=augmentation,
            share=group.share,
            weights=_weights(data, 1)[source.labels] if recipe.balance == "sampling" else None,
        )
        # Images are decoded while a batch is trained on, and with a GPU augmented one by one; else no thread helps.
        ahead = source.streams or (self.device.type != "cpu" and augmentation.one_by_one)
        self.batches = PrefetchedBatches(batches) if ahead else batches
        self.budget: TimeBudget | None = None
        """Tells where to end, where the time is limited and this is the process that knows it."""
        self.course = self.planned
        self.mixing = Mixing.of(recipe, config.seed)
        of_classes = _weights(data, LOSS_POWER).float().to(self.device) if recipe.balance == "loss" else None
        self._loss = Loss(smoothing=recipe.label_smoothing, weights=of_classes)
        self.checkpoints = Checkpoints(run.checkpoint_file)
        self.rows: list[Row] = []
        self.sums = Sums()
        self._rates = math.nan, math.nan
        """Learning rate and drop-path rate of the last step."""
        self._unread: list[Tensor] = []
        """Results of `WeightUpdate` that are not in `sums` yet."""
        self._look, self._since = Throttle(self.device), 0.0
        self._saved: tuple[int, int] | None = None
        self._stopping = False

    def train(self, on_step: Callable[[TrainingProgress], None], on_epoch: Callable[[Row], None]) -> None:
        """Trains what is left, with a checkpoint and a line of metrics after each epoch, and checkpoints in between.

        Ctrl-C ends the step in hand, writes a checkpoint and raises `KeyboardInterrupt`. Raises `TrainingError` for a
        loss or gradients that are not finite, and `FileError` for a full disk; the last checkpoint stays in both cases.
        """
        if self.rows and self.group.first:
            # A kill may have come between the checkpoint and its line of metrics.
            self.run.write_metrics(self.rows)
        with (
            deferred_interrupt() as interrupt,
            self.group.together(self._advice),
            compiling(self.config.compile),
            enough_memory(self.device),
        ):
            self.prepare()
            while not self.finished:
                row = self._epoch(len(self.rows), on_step, interrupt)
                self.rows.append(row | validation_columns(self))
                self.sums = Sums()
                self.save_checkpoint()
                if self.group.first:
                    self.run.write_metrics(self.rows)
                on_epoch(self.rows[-1])
                if self._stopping:
                    raise KeyboardInterrupt

    @property
    def finished(self) -> bool:
        """Return True after the last step, or where patience has ended the training before."""
        return len(self.rows) >= self.epochs or self.waited > 0

    @property
    def epochs(self) -> int:
        """The epochs that it takes, as things stand; the last one may be cut short."""
        return -(-self.course.end // self.batches.steps_per_epoch)

    @property
    def planned(self) -> Course:
        """The way through the schedule as it was planned."""
        steps = self.config.recipe.epochs * self.batches.steps_per_epoch
        return Course(length=steps, end=min(self.config.total_steps or steps, steps))

    @property
    def waited(self) -> int:
        """The epochs that were validated after the best one, where patience ends; else 0."""
        patience, epochs = self.config.recipe.patience, waited(self.rows)
        return epochs if 0 < patience <= epochs else 0

    @property
    def kept_epoch(self) -> int:
        """The epoch whose network is saved at the end: the last, or the best one so far."""
        best = best_epoch(self.rows) if self.config.recipe.keep == "best" else None
        return len(self.rows) if best is None else int(best["epoch"] or 0)

    def prepare(self) -> None:
        """Make the step of training as this device takes it."""
        if self.config.compile:
            compile_cells(self.network)
        update = WeightUpdate(
            network=self.network,
            forward=self.group.parallel(self.network, spared=not _reads_all(self.genotype)),
            optimizer=self.optimizer,
            loss=self._loss,
            recipe=self.config.recipe,
            bfloat16=self.config.precision == "bfloat16",
        )
        alone = self.graphs and self.group.size == 1
        self._update = graphed(update, self.device, [self.drop_path_draws]) if alone else update

    def timed_step(self) -> float:
        """Train on the next batch, and return the seconds that it took."""
        started = time.perf_counter()
        self._take_step()
        self._unread[-1].cpu()
        return time.perf_counter() - started

    def _epoch(self, epoch: int, on_step: Callable[[TrainingProgress], None], interrupt: Interrupt) -> Row:
        """Trains what is left of an epoch."""
        self.network.train(not self.config.recipe.freeze)
        saved = self._since = time.perf_counter()
        while self.sums.steps < self._steps_of(epoch):
            self._look_at_the_clock()
            self._take_step()
            taken, steps = self.sums.steps + len(self._unread), self._steps_of(epoch)
            if self._look.due() or taken in (1, steps) or interrupt.asked or self.group.size > 1:
                self._read(epoch, interrupt)
            sums = self.sums
            means = {"loss": sums.loss / sums.images, "accuracy": sums.correct / sums.images}
            on_step(TrainingProgress(epoch=epoch, step=taken, steps=steps, **means))
            due = time.perf_counter() - saved >= 60 * self.config.save_every
            if taken < steps and (due or self._stopping):
                self._read(epoch, interrupt)
                self.save_checkpoint()
                saved = self._since = time.perf_counter()
                if self._stopping:
                    raise KeyboardInterrupt
        return {
            "epoch": epoch + 1,
            "rate": self._rates[0],
            "drop_path": self._rates[1],
            **means,
            "seconds": round(self.sums.seconds, 3),
        }

    def _steps_of(self, epoch: int) -> int:
        """Return the steps of an epoch, of which the last may have fewer."""
        steps = self.batches.steps_per_epoch
        return min(steps, self.course.end - epoch * steps)

    def _look_at_the_clock(self) -> None:
        """Move the end of the training now and then, where its time asks for that; all processes move it alike."""
        step = self._next
        if self.config.time is None or step % check_interval(self.course.length):
            return
        end = 0 if self.budget is None else self.budget.end(step, self.course.end, self.planned.end)
        end = int(self.group.total(torch.tensor(end)))
        if end not in (0, self.course.end):
            self.course = self.course.ending(end, now=step)

    def _take_step(self) -> None:
        """Train on the next batch."""
        recipe, steps = self.config.recipe, self.batches.steps_per_epoch
        step = self._next
        rates = step_rate(recipe, self.course, step, steps), step_drop_path(recipe, self.course, step, steps)
        if rates != self._rates:
            set_rate(self.optimizer, rates[0])
            self.network.drop_path.rate = rates[1]
            self._rates = rates
        self._unread.append(self._update(*self._batch()))
        if self.average is not None:
            self.average.update_parameters(self.network)

    @property
    def _next(self) -> int:
        """The number of the next step, from 0."""
        return len(self.rows) * self.batches.steps_per_epoch + self.sums.steps + len(self._unread)

    def _batch(self) -> tuple[Tensor, ...]:
        """Return the inputs of the next step: images and labels, or what a mixture of them has (`Mixed`)."""
        step = self._next
        images, labels = next(self.batches)
        labels, mixed = labels.to(self.device), list[Tensor]()
        if self.mixing is not None:
            images, labels, *mixed = self.mixing(images, labels, step)
        return images.to(self.device, memory_format=torch.channels_last), labels, *mixed

    def _read(self, epoch: int, interrupt: Interrupt) -> None:
        """Waits for the device, and adds the numbers of the steps since the last time to the sums.

        The processes of a group add theirs up, and stop together once one of them is asked to. Raises `TrainingError`
        for what is not finite, before a checkpoint could hold it.
        """
        if not self._unread:
            return
        rows = torch.stack(self._unread).cpu().double()
        rows[:, 2:4] *= rows[:, :1]
        self._unread = []
        told = torch.cat([rows[:, :4].flatten(), torch.tensor([float(interrupt.asked)], dtype=rows.dtype)])
        *totals, asked = self.group.total(told).tolist()
        self._stopping = asked > 0
        for at, norm in enumerate(rows[:, 4].tolist()):
            count, right, main, whole = totals[4 * at : 4 * at + 4]
            for name, value in (("loss is", whole), ("gradients are", norm)):
                if not math.isfinite(value):
                    raise TrainingError(self._not_finite(name, epoch))
            sums = self.sums
            self.sums = replace(
                sums,
                steps=sums.steps + 1,
                images=sums.images + int(count),
                correct=sums.correct + int(right),
                loss=sums.loss + main,
            )
        now = time.perf_counter()
        self.sums = replace(self.sums, seconds=self.sums.seconds + now - self._since)
        self._since = now

    def _not_finite(self, what: str, epoch: int) -> str:
        place = f"the {what} not finite in step {self.sums.steps + 1} of epoch {epoch + 1}"
        return f"{place}; {self.saved}. Train again with a lower --rate (now {self.config.recipe.rate:g})"

    def _advice(self) -> str:
        return f"go on with: {command_line('train', resume=self.run.folder)}"

    @property
    def saved(self) -> str:
        """The point that a resumed training starts from, in words."""
        if self._saved is None:
            return f"{self.checkpoints.last} is as it was" if self.checkpoints.exist() else "nothing is saved yet"
        epochs, steps = self._saved
        place = f"step {steps} of epoch {epochs + 1}" if steps else f"epoch {epochs}"
        return f"{self.checkpoints.last} holds all until {place}"

    def save_checkpoint(self) -> None:
        """Writes all that the next step depends on: weights, momenta, random states, data order, metrics.

        It is the same in every process of a group, so the first alone writes it, and any number can go on from it.
        """
        if not self.group.first:
            return
        try:
            if self.config.recipe.keep == "best" and not self.sums.steps and self.kept_epoch == len(self.rows):
                write_tensors(self.weights(), self.run.best_file, {"epoch": str(self.kept_epoch)})
            self.checkpoints.write(state_of(self))
        except FileError as error:
            raise FileError(f"{error}; {self.saved}") from None
        self._saved = len(self.rows), self.sums.steps

    def load_checkpoint(self) -> str:
        """Goes back to the last checkpoint, or to the one before where that is damaged, and says what is wrong with it.

        Raises `RunError` where both are damaged, or belong to another network.
        """
        state, problem = self.checkpoints.read()
        restore(self, state)
        self._saved = len(self.rows), self.sums.steps
        return problem

    def save_weights(self) -> None:
        """Writes the trained network, of the last epoch or of the best one, without its auxiliary head.

        Raises `RunError` where the best one is missing.
        """
        kept = self.weights()
        if self.kept_epoch < len(self.rows):
            kept, about = read_tensors(self.run.best_file)
            if about.get("epoch") != str(self.kept_epoch):
                raise RunError(
                    f"{self.run.best_file}: not the network of epoch {self.kept_epoch}, the best one; put it back, or "
                    f'write "keep": "last" into {self.run.config_file.name} for the last one'
                )
        write_tensors(kept, self.run.weights_file)

    def weights(self) -> dict[str, Tensor]:
        """The weights to use: the averages, where there are some. The auxiliary head, which only trains, has none."""
        trained = self.network if self.average is None else self.average.module
        return {name: t for name, t in trained.state_dict().items() if not name.startswith("auxiliary.")}


def _built(genotype: Genotype, config: Config, device: torch.device, start: Mapping[str, Tensor] | None) -> Network:
    """Return a network of random weights or of those to start from; of a frozen one, the classifier is trained."""
    recipe = config.recipe
    # Merged networks take the moments of the batch, which a frozen body does not read.
    kind = Network if config.compile or recipe.freeze else network_class(device)
    with seeded(config.seed):
        network = kind(genotype, config.shape, auxiliary=recipe.auxiliary > 0 and not recipe.freeze)
    if start is not None:
        begin_from(network, start)
    if recipe.freeze:
        network.eval().requires_grad_(False)
        network.classifier.requires_grad_(True)
    return network


def _weights(data: ImageData, power: float) -> Tensor:
    """Return weights of the classes of the training images."""
    return class_weights(data.train.labels, len(data.classes), power)


def _augmentation(recipe: Recipe, data: ImageData) -> Augmentation:
    """Return what a recipe does to training images."""
    cutout = round(recipe.cutout * min(data.image_size))
    if recipe.augmentation == "cifar":
        return Augmentation.of(data, cutout)
    if recipe.augmentation == "none":
        return Augmentation(padding=0, flip=data.flip, cutout=cutout)
    # Imported here: torchvision's transforms take a second, which no other training should wait for.
    from ftso_cli.data.batching.photos import PhotoAugmentation
    from ftso_cli.data.batching.policies import LightAugmentation, StrongAugmentation

    kinds: dict[str, type[Augmentation]]
    kinds = {"light": LightAugmentation, "strong": StrongAugmentation, "imagenet": PhotoAugmentation}
    return kinds[recipe.augmentation].of(data, cutout)


def _reads_all(genotype: Genotype) -> bool:
    """Return True where every node of every cell has a part in the output, so that every parameter gets a gradient."""
    return all(_is_read(cell) for cell in genotype.cells.values())


def _is_read(cell: Cell) -> bool:
    # A zero passes no gradient on.
    return all(edge.op != "none" for edge in cell.kept) and graph.read_by(cell.kept, cell.concat) == {0, 1, *cell.nodes}
