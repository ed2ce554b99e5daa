"""The engine of every differentiable search: α and β learn on one half of the images, the weights on the other.

First order (DARTS, section 2.3 with ξ = 0; Algorithms 1 and 2 of the FTSO paper): an iteration takes one step on the
architecture with the weights held, then one step on the weights with the architecture held.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from ftso_cli.data import Batches
from ftso_cli.errors import TrainingError
from ftso_cli.nn.distributed import ALONE, Group
from ftso_cli.nn.graphs import Step, graphed
from ftso_cli.nn.readings import Reading, Throttle
from ftso_cli.nn.supernet import MixingWeights, SuperNet
from ftso_cli.search.engine.descent import SGD, Adam
from ftso_cli.search.engine.eigenvalue import dominant_eigenvalue
from ftso_cli.search.engine.mixer import Mixer
from ftso_cli.search.penalties import Penalty
from ftso_cli.settings.searches import SearchSettings

Batch = tuple[Tensor, Tensor]
"""Images (N, C, H, W) and their labels (N,)."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """The state of a search after an iteration; losses are those before its steps, `arch_loss` None in a warm-up.

    Asking for a loss waits for the device.
    """

    iteration: int
    iterations: int
    epoch: int
    arch: Reading | None
    weight: Reading

    @property
    def arch_loss(self) -> float | None:
        """The held-out loss."""
        return None if self.arch is None else self.arch.number

    @property
    def weight_loss(self) -> float:
        """The training loss."""
        return self.weight.number

    @property
    def losses(self) -> tuple[Reading, Reading | None]:
        """The training loss, and the held-out loss."""
        return self.weight, self.arch

    @property
    def figures(self) -> str:
        """The text beside the progress bar."""
        held_out = "warm-up" if self.arch_loss is None else f"held-out {self.arch_loss:.3f}"
        return f"loss {self.weight_loss:.3f}, {held_out}"

    @property
    def facts(self) -> dict[str, float]:
        """The facts kept of the last iteration."""
        facts = {"weight_loss": self.weight_loss}
        return facts if self.arch_loss is None else facts | {"arch_loss": self.arch_loss}


class EngineProgress(Protocol):
    """The state of a search after an iteration."""

    @property
    def iteration(self) -> int:
        """Iterations that are done."""

    @property
    def iterations(self) -> int:
        """Iterations of the whole search."""

    @property
    def losses(self) -> tuple[Reading, Reading | None] | None:
        """The training loss and the held-out loss, None where a search has none."""

    @property
    def figures(self) -> str:
        """The text beside the progress bar."""

    @property
    def facts(self) -> dict[str, float]:
        """The facts kept of the last iteration."""


class Engine(ABC):
    """The engine of a search: it takes the iterations, each by all processes of its group together."""

    group: Group
    iteration: int
    iterations: int

    @property
    @abstractmethod
    def period(self) -> int:
        """Iterations between records and checkpoints unless asked for otherwise: an epoch, where there are any."""

    @abstractmethod
    def step(self) -> EngineProgress:
        """One iteration."""

    @abstractmethod
    def state(self) -> dict[str, Tensor]:
        """Return everything that the next iteration depends on, by name."""

    @abstractmethod
    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Goes on from the `state` of an equal search; raises `RunError`, `KeyError` or `RuntimeError` for another."""

    net: SuperNet | None = None
    """The super-net whose α and β the history keeps; None where a search has none."""

    def curvature(self) -> float | None:
        """Return how sharply the held-out loss curves in α and β; None where a search has none."""
        return None

    @property
    def reward(self) -> float | None:
        """The highest reward so far; None where a search has none."""
        return None

    def tables(self) -> Mapping[str, bytes]:
        """Return files of the run folder besides those of every search, by name."""
        return {}

    def run(self, on_iteration: Callable[[Any], None]) -> None:
        """Runs the iterations that are left; raises `TrainingError` where a loss is not finite."""
        while self.iteration < self.iterations:
            on_iteration(self.step())


class Bilevel(Engine):
    """Alternates steps on the architecture and on the weights of a super-net.

    A GPU replays each of the two steps as a graph, where nothing is drawn, and is waited for only when its losses are
    read: a few times a second, and before anything is kept. `graphs` = False before the first step launches kernel by
    kernel.
    """

    graphs = True
    net: SuperNet
    settings: SearchSettings
    weight_batches: Batches
    arch_batches: Batches
    rebuild: Callable[[int, int], SuperNet]
    """Makes a super-net of so many cells from a seed, for a search that changes its depth."""
    penalty: Penalty | None = None
    """The penalty that α and β minimise besides the held-out loss."""

    def __init__(
        self,
        net: SuperNet,
        settings: SearchSettings,
        weight_batches: Batches,
        arch_batches: Batches,
        group: Group = ALONE,
        seed: int = 0,
    ) -> None:
        self.settings = settings
        self.group = group
        self.weight_batches = weight_batches
        self.arch_batches = arch_batches
        self.iterations = length(settings, weight_batches)
        self.warmup = round(settings.warmup * self.iterations)
        self.iteration = 0
        self.device = next(net.parameters()).device
        self.mixer = Mixer(settings, seed, group.share) if settings.relaxation != "softmax" else None
        self._unchecked: list[Progress] = []
        self._look = Throttle(self.device)
        self.take(net)

    def take(self, net: SuperNet) -> None:
        """Search on this net from now on, with optimizers that have not moved yet."""
        settings = self.settings
        self.net = net.train()
        self._steps: tuple[Step, Step] | None = None
        self.arch_steps = Adam(
            net.architecture(), rate=settings.arch_lr, momenta=settings.arch_momenta, decay=settings.arch_decay
        )
        self.weight_steps = SGD(
            net.weights(), rate=settings.weight_lr, momentum=settings.momentum, decay=settings.weight_decay
        )

    @property
    def period(self) -> int:
        """Iterations of an epoch."""
        return self.weight_batches.steps_per_epoch

    def prepare(self) -> None:
        """Do what comes before an iteration, in a search that has stages."""

    @property
    def holds(self) -> bool:
        """Return True where the next iteration moves weights alone."""
        return self.iteration < self.warmup

    def step(self) -> Progress:
        """One iteration: Algorithm 1, lines 5 and 6. Raises `TrainingError` once a loss is seen that is not finite."""
        self.prepare()
        on_architecture, on_weights = self._steps = self._steps or self._made_steps()
        epoch = self.iteration // self.weight_batches.steps_per_epoch
        self.weight_steps.rate = self.weight_lr(epoch)
        training, arch = next(self.weight_batches), None
        if not self.holds:
            self._draw()
            arch = Reading(on_architecture(*training, *next(self.arch_batches)))
        self._draw()
        weight = Reading(on_weights(*training))
        self.iteration += 1
        progress = Progress(iteration=self.iteration, iterations=self.iterations, epoch=epoch, arch=arch, weight=weight)
        self._unchecked.append(progress)
        if self._look.due() or self.iteration == self.iterations:
            self.check()
        return progress

    def _made_steps(self) -> tuple[Step, Step]:
        """The steps on the architecture and on the weights, of tensors, as this device takes them."""

        def on_architecture(*tensors: Tensor) -> Tensor:
            return self.step_architecture((tensors[0], tensors[1]), (tensors[2], tensors[3]))

        def on_weights(*tensors: Tensor) -> Tensor:
            return self.step_weights((tensors[0], tensors[1]))

        if not self.graphs or self.group.size > 1 or self.mixer is not None:
            return on_architecture, on_weights
        return graphed(on_architecture, self.device), graphed(on_weights, self.device)

    def _draw(self) -> None:
        """Let the next step draw anew, where anything is drawn."""
        if self.mixer is not None:
            self.mixer.next_step()

    def step_architecture(self, training: Batch, held_out: Batch) -> Tensor:
        """Algorithm 1, line 5: a step on α and β; gives the held-out loss before it."""
        loss, gradients = self.architecture_gradients(training, held_out)
        self.move_architecture(gradients if self.penalty is None else self._penalised(self.penalty, gradients))
        return loss

    def architecture_gradients(self, training: Batch, held_out: Batch) -> tuple[Tensor, Sequence[Tensor | None]]:
        """The held-out loss and its gradients on α and β.

        `training` is the batch that the weights' step will take, for engines that look ahead to it.
        """
        return self.gradients(held_out, self.net.architecture())

    def _penalised(self, penalty: Penalty, gradients: Sequence[Tensor | None]) -> list[Tensor]:
        """The gradients with those of the penalty, which is the same in all processes."""
        architecture = self.net.architecture()
        value = penalty(self.net, self.net.softmax() if self.mixer is None else self.mixer.mean(self.net))
        own = torch.autograd.grad(value, architecture, allow_unused=True, materialize_grads=True)
        return [more if first is None else first + more for first, more in zip(gradients, own, strict=True)]

    def move_architecture(self, gradients: Sequence[Tensor | None]) -> None:
        """Take a step on α and β."""
        architecture = self.net.architecture()
        before = [] if self.mixer is None else [parameter.detach().clone() for parameter in architecture]
        descend(self.arch_steps, architecture, gradients)
        if self.mixer is not None:
            self.mixer.settle(before, self.net)

    def step_weights(self, training: Batch) -> Tensor:
        """Algorithm 1, line 6: a step on the weights; gives the training loss before it."""
        weights = self.net.weights()
        loss, gradients = self.gradients(training, weights)
        descend(self.weight_steps, weights, gradients, self.settings.clip)
        return loss

    def check(self) -> None:
        """Waits for the device, and raises `TrainingError` where a loss since the last check is not finite."""
        for progress in self._unchecked:
            for loss in (progress.arch_loss, progress.weight_loss):
                if loss is not None:
                    check_finite(loss, f"iteration {progress.iteration}", self.settings.weight_lr)
        self._unchecked = []

    def scores(self, kind: str) -> list[float]:
        """Return the score of each edge of the cells of `kind`: β."""
        scores: list[float] = self.net.beta[kind].tolist()
        return scores

    def curvature(self) -> float:
        """Return the dominant eigenvalue of the Hessian on the batch that the next step on α and β takes.

        The search itself doesn't notice.
        """
        state = self.arch_batches.state()
        batch = next(self.arch_batches)
        self.arch_batches.restore(state)
        parameters = self.net.architecture()
        with self.net.moving(parameters):
            loss = self.loss(batch, None if self.mixer is None else self.mixer.mean(self.net))
            finite(self.group.mean(loss.detach()), self.iteration + 1, self.settings)
            return dominant_eigenvalue(loss, parameters, group=self.group)

    def state(self) -> dict[str, Tensor]:
        """Weights, α and β, both optimizers, draws and the order of the images; raises `TrainingError` as `check`."""
        self.check()
        return {
            "iteration": torch.tensor(self.iteration),
            **({} if self.mixer is None else prefixed("mixer.", self.mixer.state())),
            **prefixed("net.", self.net.state_dict()),
            **prefixed("weight_steps.", self.weight_steps.state()),
            **prefixed("arch_steps.", self.arch_steps.state()),
            **streams_state(self),
        }

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Goes on from the `state` of an equal search."""
        self._steps, self._unchecked = None, []
        self.iteration = int(state["iteration"])
        self.net.load_state_dict(under("net.", state))
        self.weight_steps.restore(under("weight_steps.", state))
        self.arch_steps.restore(under("arch_steps.", state))
        if self.mixer is not None:
            self.mixer.restore(under("mixer.", state))
        restore_streams(self, state)

    def weight_lr(self, epoch: int) -> float:
        """The cosine from the full rate in epoch 0 towards the last one behind the last epoch (Table 4)."""
        return cosine_rate(self.settings, epoch, math.ceil(self.iterations / self.weight_batches.steps_per_epoch))

    def gradients(self, batch: Batch, parameters: list[nn.Parameter]) -> tuple[Tensor, list[Tensor | None]]:
        """The loss of a batch and its gradients on the parameters, None for what it doesn't depend on.

        Only these parameters get a gradient, so nothing is left over on the others. Both are those of the batches of
        all processes.
        """
        with self.net.moving(parameters):
            loss = self.loss(batch, None if self.mixer is None else self.mixer(self.net, self.progress))
            found = _gradients(loss, parameters)
        return self.group.means(loss.detach(), found)

    def loss(self, batch: Batch, mixing: MixingWeights | None) -> Tensor:
        """The cross-entropy of a batch; None mixes by softmax."""
        images, labels = batch
        like = next(self.net.parameters())
        return functional.cross_entropy(self.net(images.to(like), mixing), labels.to(like.device))

    @property
    def progress(self) -> float:
        """The share of the search that is done, 1 in its last iteration."""
        return self.iteration / max(1, self.iterations - 1)


def _gradients(loss: Tensor, parameters: list[nn.Parameter]) -> Sequence[Tensor | None]:
    """The gradients of a loss, None for what it doesn't depend on: in a draw of `none` alone all of them."""
    if not loss.requires_grad:
        return [None] * len(parameters)
    return torch.autograd.grad(loss, parameters, allow_unused=True)


def length(settings: SearchSettings, batches: Batches) -> int:
    """The iterations of a search whose weights learn from these batches."""
    return settings.iters or settings.epochs * batches.steps_per_epoch


def cosine_rate(settings: SearchSettings, epoch: int, epochs: int) -> float:
    """The rate of the weights in an epoch: full in epoch 0, at its end behind the last one."""
    share = (1 + math.cos(math.pi * epoch / epochs)) / 2
    return settings.weight_lr_end + (settings.weight_lr - settings.weight_lr_end) * share


def finite(loss: Tensor, iteration: int, settings: SearchSettings) -> float:
    """The loss as a number; raises `TrainingError` where it is not finite."""
    value = loss.item()
    check_finite(value, f"iteration {iteration}", settings.weight_lr)
    return value


def check_finite(loss: float, moment: str, rate: float) -> None:
    """Raise `TrainingError` for a loss that is not finite, with the moment and the learning rate of the weights."""
    if not math.isfinite(loss):
        raise TrainingError(f"the loss is not finite at {moment}; lower --weight-lr (now {rate:g})")


def prefixed(prefix: str, state: Mapping[str, Any]) -> dict[str, Tensor]:
    """The state of a part, its names behind a prefix; counts as tensors."""
    return {prefix + name: torch.as_tensor(value) for name, value in state.items()}


def under(prefix: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state of the part whose names have this prefix."""
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def streams_state(engine: Bilevel) -> dict[str, Tensor]:
    """Return the state of both streams of images."""
    return {
        **prefixed("weight_batches.", engine.weight_batches.state()),
        **prefixed("arch_batches.", engine.arch_batches.state()),
    }


def restore_streams(engine: Bilevel, state: Mapping[str, Tensor]) -> None:
    """Brings both streams of images back to where they were."""
    engine.weight_batches.restore(under("weight_batches.", state))
    engine.arch_batches.restore(under("arch_batches.", state))


def descend(
    steps: Adam | SGD, parameters: list[nn.Parameter], gradients: Sequence[Tensor | None], clip: float | None = None
) -> None:
    """One step of an optimizer, after which no parameter keeps a gradient."""
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = gradient
    if clip is not None:
        nn.utils.clip_grad_norm_(parameters, clip)
    steps.step()
    for parameter in parameters:
        parameter.grad = None


class GradientRanking(Bilevel):
    """Trains the weights while α and β stay at 0, and sums up the gradients on β instead of following them (ours).

    β of a single search moves by Adam, whose first steps have the same size whatever the gradient, so after few steps
    the order of edges is that of the first gradients' signs. The mean gradient keeps their sizes, and its error falls
    with every step and seed.
    """

    def __init__(
        self,
        net: SuperNet,
        settings: SearchSettings,
        weight_batches: Batches,
        arch_batches: Batches,
        group: Group = ALONE,
        seed: int = 0,
    ) -> None:
        super().__init__(net, settings, weight_batches, arch_batches, group, seed)
        with torch.no_grad():
            for parameter in net.architecture():
                parameter.zero_()
        self.sums = {kind: torch.zeros_like(beta) for kind, beta in net.beta.items()}

    def step_architecture(self, training: Batch, held_out: Batch) -> Tensor:
        """Adds the gradients of a held-out batch to the sums; gives its loss."""
        loss, gradients = self.gradients(held_out, [self.net.beta[kind] for kind in self.sums])
        for total, gradient in zip(self.sums.values(), gradients, strict=True):
            if gradient is not None:
                total += gradient
        return loss

    def state(self) -> dict[str, Tensor]:
        """Return the state of any search, and the sums."""
        return super().state() | prefixed("sums.", self.sums)

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Goes on from the `state` of an equal search."""
        super().restore(state)
        for kind, total in under("sums.", state).items():
            self.sums[kind].copy_(total)

    def scores(self, kind: str) -> list[float]:
        """Minus the mean gradient on each β: how much the loss falls as the edge gains weight."""
        scores: list[float] = (-self.sums[kind] / max(1, self.iteration - self.warmup)).tolist()
        return scores
