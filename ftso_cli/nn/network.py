"""The evaluation network of a genotype: what is trained from scratch once the cell is found."""

import torch
from torch import Tensor, nn

from ftso_cli.genotype import Cell, Genotype
from ftso_cli.genotype.edit import require_complete
from ftso_cli.nn.layers import sequential
from ftso_cli.spaces import SPACES, Space, operator
from ftso_cli.spaces.darts import NetworkShape
from ftso_cli.spaces.skeleton import CellStage


class DropPath:
    """Drops whole edges, a sample at a time, and scales up what stays (Larsson et al., 2017, as used by NASNet).

    `rate` is set by the training loop, epoch by epoch; `generator` draws on the device of the network.
    """

    def __init__(self) -> None:
        self.rate = 0.0
        self.generator: torch.Generator | None = None
        self.share = (0, 1)
        """(k, n) where this is process k of n; all draw for the whole batch, and take every n-th from the k-th on."""

    def __call__(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape, with the samples dropped at zero."""
        mask = self.mask(x)
        return x if mask is None else x * mask

    def mask(self, x: Tensor) -> Tensor | None:
        """What to multiply (N, C, H, W) with: (N, 1, 1, 1), 0 for a dropped sample; None where none is dropped."""
        if self.rate == 0.0:
            return None
        keep = 1.0 - self.rate
        rank, size = self.share
        draws = torch.rand((x.shape[0] * size, 1, 1, 1), device=x.device, generator=self.generator)
        kept = draws[rank::size] < keep
        return kept.to(x.dtype) / keep


class EvaluationCell(nn.Module):
    """A cell with one operator an edge: node j is the sum of its edges, the output the concatenation of nodes."""

    def __init__(self, cell: Cell, stage: CellStage, space: Space, drop_path: DropPath) -> None:
        super().__init__()
        self.stage = stage
        self.edges = cell.kept
        self.concat = cell.concat
        self.drop_path = drop_path
        self.preprocess = nn.ModuleList(sequential(layers) for layers in stage.preprocess)
        self.operators = nn.ModuleList(
            sequential(operator(edge.op or "").layers(stage.channels, space.stride(stage.kind, edge.source)))
            for edge in self.edges
        )

    def forward(self, before_last: Tensor, last: Tensor) -> Tensor:
        """The outputs of cells k-2 and k-1 to the output of this cell, (N, nodes in concat · C, H, W)."""
        inputs = self.stage.read(before_last, last)
        states = {node: layers(x) for node, (layers, x) in enumerate(zip(self.preprocess, inputs, strict=True))}
        for edge, op in zip(self.edges, self.operators, strict=True):
            out = op(states[edge.source])
            if self.training and not isinstance(op, nn.Identity):
                out = self.drop_path(out)
            states[edge.target] = states[edge.target] + out if edge.target in states else out
        return torch.cat([states[node] for node in self.concat], dim=1)


class Network(nn.Module):
    """The network of a complete genotype: stem, cells, classifier, and while it trains the auxiliary head.

    Raises `GenotypeError` for a genotype whose wiring or operators are still to be decided.
    """

    cell: type[EvaluationCell] = EvaluationCell
    """What its cells are built as."""

    def __init__(self, genotype: Genotype, shape: NetworkShape, *, auxiliary: bool = True) -> None:
        super().__init__()
        require_complete(genotype, "the network")
        concat = {kind: len(cell.concat) for kind, cell in genotype.cells.items()}
        space = SPACES[genotype.space]
        skeleton = space.skeleton(shape, concat, auxiliary=auxiliary)
        self.drop_path = DropPath()
        self.stems = nn.ModuleList(sequential(stem) for stem in skeleton.stems)
        self.cells = nn.ModuleList(
            self.cell(genotype.cells[stage.kind], stage, space, self.drop_path) for stage in skeleton.cells
        )
        self.auxiliary = sequential(skeleton.auxiliary.layers) if skeleton.auxiliary else None
        self.auxiliary_after = skeleton.auxiliary.after if skeleton.auxiliary else -1
        self.classifier = sequential(skeleton.classifier)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Images (N, C, H, W) to logits (N, classes), and those of the auxiliary head while training, else None."""
        before_last = last = self._stem(self.stems[0], images)
        for stem in self.stems[1:]:
            before_last, last = last, self._stem(stem, last)
        auxiliary = None
        for index, cell in enumerate(self.cells):
            before_last, last = last, cell(before_last, last)
            if self.training and self.auxiliary is not None and index == self.auxiliary_after:
                auxiliary = self.auxiliary(last)
        return self.classifier(last), auxiliary

    def _stem(self, stem: nn.Module, x: Tensor) -> Tensor:
        """The output of a stem."""
        output: Tensor = stem(x)
        return output
