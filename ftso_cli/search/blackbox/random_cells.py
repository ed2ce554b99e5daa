"""Random search: the baseline that any search has to beat.

DARTS (Liu et al., 2019), Table 1, trains random cells and takes the best by held-out error. Here all of them share the
iterations of the search evenly, and as in every search an iteration takes one batch of each half of the images: a step
on the weights and, without a gradient, the held-out loss (ours).
"""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from ftso_cli.data import ImageData
from ftso_cli.genotype import FORMAT, Cell, Edge, Genotype
from ftso_cli.nn.device import seeded
from ftso_cli.nn.distributed import ALONE, Group
from ftso_cli.nn.network import Network
from ftso_cli.nn.readings import Reading
from ftso_cli.nn.supernet import Wiring, complete_wirings
from ftso_cli.nn.synchronised import synchronised
from ftso_cli.search.engine.bilevel import (
    Batch,
    Engine,
    Progress,
    cosine_rate,
    descend,
    finite,
    length,
    prefixed,
    restore_streams,
    streams_state,
    under,
)
from ftso_cli.search.engine.descent import SGD
from ftso_cli.search.phases import network_shape, streams
from ftso_cli.settings.searches import JointSettings, RandomSettings
from ftso_cli.spaces import SPACES


class RandomCells(Engine):
    """Trains random cells one after another, for an equal share of the iterations each.

    The cells are drawn first, so a longer search tries the same ones. There are never more cells than iterations.
    """

    def __init__(
        self,
        data: ImageData,
        settings: RandomSettings,
        *,
        seed: int,
        device: torch.device,
        group: Group = ALONE,
    ) -> None:
        self.settings = settings
        self.seed, self.device, self.group = seed, group.device(device), group
        self.shape = network_shape(data, settings)
        self.weight_batches, self.arch_batches = streams(data, settings, seed, self.device, group.share)
        self.iterations = length(settings, self.weight_batches)
        self.iteration = 0
        draws = torch.Generator().manual_seed(seed)
        self.cells = [random_cells(settings, draws) for _ in range(min(settings.samples, self.iterations))]
        self.losses: list[float] = []
        """The mean held-out loss of every cell that has been trained, over the second half of its iterations."""
        self.held_out: list[float] = []
        """The held-out losses of the cell in hand."""
        self._begin()

    def step(self) -> Progress:
        """A step on the weights of the cell in hand, and its held-out loss before it."""
        done, total = len(self.held_out), self._length(len(self.losses))
        steps = self.weight_batches.steps_per_epoch
        self.weight_steps.rate = cosine_rate(self.settings, done // steps, -(-total // steps))
        with torch.no_grad():
            arch_loss = self._finite(self.group.mean(self._loss(next(self.arch_batches))))
        weights = list(self.network.parameters())
        loss = self._loss(next(self.weight_batches))
        mean, gradients = self.group.means(loss.detach(), torch.autograd.grad(loss, weights))
        weight_loss = self._finite(mean)
        descend(self.weight_steps, weights, gradients, self.settings.clip)
        self.held_out.append(arch_loss)
        progress = Progress(
            iteration=self.iteration + 1,
            iterations=self.iterations,
            epoch=self.iteration // steps,
            arch=Reading(arch_loss),
            weight=Reading(weight_loss),
        )
        self.iteration += 1
        if len(self.held_out) == total:
            self._end()
        return progress

    def best(self) -> Genotype:
        """The cell with the lowest held-out loss so far; before any has been trained, the first."""
        losses = self.losses or [0.0]
        return self.cells[losses.index(min(losses))]

    def state(self) -> dict[str, Tensor]:
        """The losses so far, the network of the cell in hand, its optimizer and the order of the images."""
        return {
            "iteration": torch.tensor(self.iteration),
            "losses": torch.tensor(self.losses, dtype=torch.float64),
            "held_out": torch.tensor(self.held_out, dtype=torch.float64),
            **prefixed("network.", self.network.state_dict()),
            **prefixed("weight_steps.", self.weight_steps.state()),
            **streams_state(self),
        }

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Goes on from the `state` of an equal search."""
        self.iteration = int(state["iteration"])
        self.losses, self.held_out = state["losses"].tolist(), state["held_out"].tolist()
        if len(self.losses) < len(self.cells):
            self._begin()
            self.network.load_state_dict(under("network.", state))
            self.weight_steps.restore(under("weight_steps.", state))
        restore_streams(self, state)

    def _begin(self) -> None:
        with seeded(self.seed + len(self.losses)):
            network = Network(self.cells[len(self.losses)], self.shape, auxiliary=False)
        self.network = synchronised(network.to(self.device), self.group).train()
        self.weight_steps = SGD(
            network.parameters(),
            rate=self.settings.weight_rate,
            momentum=self.settings.momentum,
            decay=self.settings.weight_decay,
        )

    def _end(self) -> None:
        late = self.held_out[len(self.held_out) // 2 :]
        self.losses.append(sum(late) / len(late))
        self.held_out = []
        if len(self.losses) < len(self.cells):
            self._begin()

    def _length(self, number: int) -> int:
        """The iterations of a cell: as many for each, and one more for the first where they don't divide."""
        share, rest = divmod(self.iterations, len(self.cells))
        return share + (number < rest)

    def _loss(self, batch: Batch) -> Tensor:
        images, labels = batch
        logits, _ = self.network(images.to(next(self.network.parameters())))
        return functional.cross_entropy(logits, labels.to(self.device))

    def _finite(self, loss: Tensor) -> float:
        return finite(loss, self.iteration + 1, self.settings)


def random_cells(settings: JointSettings, draws: torch.Generator) -> Genotype:
    """Cells in which every node reads two earlier ones, any as likely, by any candidate but `none`, any as likely."""
    space = SPACES[settings.space]
    ops = [op for op in settings.ops if op not in space.never_derived]
    wirings = complete_wirings(space, settings.nodes)

    def cell(wiring: Wiring) -> Cell:
        edges = []
        for node, positions in wiring.nodes:
            into = wiring.edges[positions]
            for at in torch.randperm(len(into), generator=draws)[: space.keep].tolist():
                op = ops[int(torch.randint(len(ops), (), generator=draws))]
                edges.append(Edge(source=into[at][0], target=node, op=op))
        return Cell(edges=tuple(edges), concat=wiring.concat)

    cells = {kind: cell(wiring) for kind, wiring in wirings.items()}
    return Genotype(format=FORMAT, space=space.name, stage="complete", searched_ops=tuple(settings.ops), cells=cells)
