"""The evaluation network of a genotype: what is trained from scratch once the cell is found."""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from ftso_cli.genotype import Cell, Genotype
from ftso_cli.genotype.edit import require_complete
from ftso_cli.nn.layers import concatenated, sequential
from ftso_cli.spaces import SPACES, Space, operator
from ftso_cli.spaces.darts import NetworkShape
from ftso_cli.spaces.skeleton import CellStage


class DropPath:
    """Drops whole edges, a sample at a time, and scales up what stays (Larsson et al., 2017, as used by NASNet).

    `rate` is set by the training loop, epoch by epoch; `generator` draws on the device of the network. Once it is
    `active`, it draws at a rate of 0 too, so that every step of a training does the same.
    """

    def __init__(self) -> None:
        self.active = False
        self.generator: torch.Generator | None = None
        self.share = (0, 1)
        """(k, n) where this is process k of n; all draw for the whole batch, and take every n-th from the k-th on."""
        self._rate = 0.0
        self._keep: Tensor | None = None

    @property
    def rate(self) -> float:
        """The probability that an edge is dropped."""
        return self._rate

    @rate.setter
    def rate(self, value: float) -> None:
        """Sets it, for the steps to come."""
        self._rate = value
        self.active = self.active or value > 0
        if self._keep is not None:
            self._keep.fill_(1.0 - value)

    def masks(self, edges: int, samples: int, like: Tensor) -> Tensor | None:
        """Draw what the outputs of edges are multiplied with: (edges, N, 1, 1, 1), 0 for a dropped sample.

        None while it is not active.
        """
        if not self.active:
            return None
        rank, size = self.share
        draws = torch.rand((edges, samples * size, 1, 1, 1), device=like.device, generator=self.generator)
        keep = self._keep_on(like.device)
        return (draws[:, rank::size] < keep).to(like.dtype) / keep

    def _keep_on(self, device: torch.device) -> Tensor | float:
        """The share that is kept: on a CUDA device a number there, which a recorded step reads anew."""
        if device.type != "cuda":
            return 1.0 - self._rate
        if self._keep is None:
            self._keep = torch.tensor(1.0 - self._rate, dtype=torch.float64, device=device)
        return self._keep


class EvaluationCell(nn.Module):
    """A cell with one operator an edge: node j is the sum of its edges, the output the concatenation of nodes."""

    def __init__(self, cell: Cell, stage: CellStage, space: Space) -> None:
        super().__init__()
        self.stage = stage
        self.edges = cell.kept
        self.concat = cell.concat
        self.preprocess = nn.ModuleList(sequential(layers) for layers in stage.preprocess)
        self.operators = nn.ModuleList(
            sequential(operator(edge.op or "").layers(stage.channels, space.stride(stage.kind, edge.source)))
            for edge in self.edges
        )
        droppable = [at for at, op in enumerate(self.operators) if not isinstance(op, nn.Identity)]
        self.drops = {at: row for row, at in enumerate(droppable)}
        """The row of its mask for every edge that drop path may drop: all but identities."""

    def forward(self, before_last: Tensor, last: Tensor, masks: Tensor | None = None) -> Tensor:
        """The outputs of cells k-2 and k-1 to the output of this cell, (N, nodes in concat · C, H, W).

        `masks` (edges in `drops`, N, 1, 1, 1) are those of `DropPath`.
        """
        inputs = self.stage.read(before_last, last)
        states = {node: layers(x) for node, (layers, x) in enumerate(zip(self.preprocess, inputs, strict=True))}
        for at, (edge, op) in enumerate(zip(self.edges, self.operators, strict=True)):
            out = op(states[edge.source])
            if masks is not None and at in self.drops:
                out = out * masks[self.drops[at]].to(out.dtype)
            states[edge.target] = states[edge.target] + out if edge.target in states else out
        return concatenated([states[node] for node in self.concat])


class Network(nn.Module):
    """The network of a complete genotype: stem, cells, classifier, and while it trains the auxiliary head.

    Raises `GenotypeError` for a genotype whose wiring or operators are still to be decided.
    """

    cell: type[EvaluationCell] = EvaluationCell
    """The class of its cells."""

    def __init__(self, genotype: Genotype, shape: NetworkShape, *, auxiliary: bool = True) -> None:
        super().__init__()
        require_complete(genotype, "the network")
        self.genotype, self.shape = genotype, shape
        concat = {kind: len(cell.concat) for kind, cell in genotype.cells.items()}
        space = SPACES[genotype.space]
        skeleton = space.skeleton(shape, concat, auxiliary=auxiliary)
        self.drop_path = DropPath()
        self.stems = nn.ModuleList(sequential(stem) for stem in skeleton.stems)
        self.cells = nn.ModuleList(self.cell(genotype.cells[stage.kind], stage, space) for stage in skeleton.cells)
        self.auxiliary = sequential(skeleton.auxiliary.layers) if skeleton.auxiliary else None
        self.auxiliary_after = skeleton.auxiliary.after if skeleton.auxiliary else -1
        self.classifier = sequential(skeleton.classifier)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Images (N, C, H, W) to logits (N, classes), and those of the auxiliary head while training, else None."""
        before_last = last = self._stem(self.stems[0], images)
        for stem in self.stems[1:]:
            before_last, last = last, self._stem(stem, last)
        auxiliary = None
        for index, (cell, masks) in enumerate(zip(self.cells, self._masks(images), strict=True)):
            before_last, last = last, cell(before_last, last, masks)
            if self.training and self.auxiliary is not None and index == self.auxiliary_after:
                auxiliary = self.auxiliary(last)
        return self.classifier(last), auxiliary

    def _masks(self, images: Tensor) -> Sequence[Tensor | None]:
        """The masks of drop path for every cell, drawn together."""
        counts = [len(cast(EvaluationCell, cell).drops) for cell in self.cells]
        like = next(self.parameters())
        masks = self.drop_path.masks(sum(counts), len(images), like) if self.training else None
        return [None] * len(counts) if masks is None else torch.split(masks, counts)

    def _stem(self, stem: nn.Module, x: Tensor) -> Tensor:
        """The output of a stem."""
        output: Tensor = stem(x)
        return output
