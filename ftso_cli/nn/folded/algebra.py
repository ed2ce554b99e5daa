"""A cell of skip connections as one matrix on its channels, which depends on β only.

A skip connection at stride 1 leaves the channels as they are and shuffles them, the same way on every edge: a
permutation P. So with w = softmax(β), node j of a cell is

    n_j = P Σ_i w_ij n_i    and, by induction,    n_j = W_j(β) [s_0; s_1],

and the cell's output is one 1x1 convolution of its two inputs. In a reduction cell, what leaves the inputs are strided
skips; the cell is linear in their features, so the same holds with those in place of [s_0; s_1].

W is block-diagonal: channels mix only within a cycle of P, so they are handled in groups of whole cycles. With 64
channels and 4 groups to shuffle, no cycle is longer than 3, and groups of 16 leave a quarter of the arithmetic.
Nothing here grows with the size of the images.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ftso_cli.nn.folded.pointwise import Layout, Span
from ftso_cli.nn.supernet import Wiring

GROUP = 16
"""Channels of a group on a CPU, about: smaller matrix products lose more efficiency than they save arithmetic.

On other devices all channels are one group: starting a product costs more there than the arithmetic of a few zeros.
"""


class Piece(NamedTuple):
    """The columns of one stored feature map that a cell reads."""

    channels: Tensor
    """The cell's channel that each column is, before the shuffle, (columns)."""
    readers: Tensor
    """The edges that read each column, (edges, columns)."""


class CellAlgebra:
    """W(β) of the cells of one kind and width that read the same pieces.

    Within each piece, the columns of a group must be neighbours, in the order of groups; see `by_group`.
    `layout` says where the blocks of W are, `columns` the place of each of its columns among those of all pieces,
    `rows` the channel of the cell's output that each of its rows is.
    """

    def __init__(self, wiring: Wiring, order: Tensor, pieces: Sequence[Piece]) -> None:
        self.wiring = wiring
        self.order = order
        groups = channel_groups(order)
        group = _group_of_channels(groups)
        channels = torch.cat([piece.channels for piece in pieces])
        readers = torch.cat([piece.readers for piece in pieces], 1)
        outputs = torch.arange(len(wiring.concat))[:, None] * len(order)
        self.columns = torch.argsort(group[channels], stable=True)
        self.rows = torch.cat([(outputs + members).flatten() for members in groups])
        self.layout = Layout(
            spans=tuple(_spans([group[piece.channels] for piece in pieces], len(groups))),
            heights=tuple(len(wiring.concat) * len(members) for members in groups),
            widths=tuple(torch.bincount(group[channels], minlength=len(groups)).tolist()),
        )
        selected = (channels == order[:, None])[:, self.columns]
        self.selections = {
            at: selected & readers[at, self.columns] for at, (source, _) in enumerate(wiring.edges) if source < 2
        }

    def matrix(self, weights: Tensor) -> Tensor:
        """W(β) for `weights` = softmax(β), (edges)."""
        nodes: dict[int, Tensor] = {}
        for node, positions in self.wiring.nodes:
            edges = [
                self.selections[at].to(weights)
                if at in self.selections
                else nodes[self.wiring.edges[at][0]].index_select(0, self.order)
                for at in range(positions.start, positions.stop)
            ]
            nodes[node] = torch.einsum("e,ecf->cf", weights[positions], torch.stack(edges))
        outputs = torch.cat([nodes[node] for node in self.wiring.concat])
        return outputs.index_select(0, self.rows)


def shuffle_order(channels: int, partial: int) -> Tensor:
    """The channel that `supernet.shuffle` puts in each place, (channels)."""
    return torch.arange(channels).view(partial, channels // partial).t().flatten()


def channel_groups(order: Tensor) -> list[Tensor]:
    """The channels in groups of about `GROUP`, or on a GPU in one, that the permutation `order` doesn't leave."""
    count = max(1, len(order) // GROUP) if order.device.type == "cpu" else 1
    groups: list[list[int]] = [[] for _ in range(count)]
    for cycle in sorted(_cycles(order.tolist()), key=len, reverse=True):
        min(groups, key=len).extend(cycle)
    return [torch.tensor(sorted(group)) for group in groups if group]


def _cycles(order: Sequence[int]) -> list[list[int]]:
    cycles, seen = [], set[int]()
    for start in range(len(order)):
        cycle, at = [], start
        while at not in seen:
            seen.add(at)
            cycle.append(at)
            at = order[at]
        if cycle:
            cycles.append(cycle)
    return cycles


def by_group(channels: Tensor, order: Tensor) -> Tensor:
    """The places of these channels in the order of their groups under the permutation `order`."""
    return torch.argsort(_group_of_channels(channel_groups(order))[channels], stable=True)


def _group_of_channels(groups: Sequence[Tensor]) -> Tensor:
    group = torch.empty(sum(len(members) for members in groups), dtype=torch.long)
    for at, members in enumerate(groups):
        group[members] = at
    return group


def _spans(groups: Sequence[Tensor], count: int) -> Iterator[Span]:
    """The columns of each group in every piece, group by group; `groups` has the group of each column of a piece."""
    for group in range(count):
        for piece, columns in enumerate(groups):
            start, width = int((columns < group).sum()), int((columns == group).sum())
            if width:
                yield piece, start, start + width
