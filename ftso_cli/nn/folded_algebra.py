"""What a cell of skip connections does to its channels, as one matrix that depends on β only.

A skip connection at stride 1 leaves the channels as they are and shuffles them, the same way on every edge: a
permutation P. So with w = softmax(β), node j of a cell is

    n_j = P Σ_i w_ij n_i    and, by induction,    n_j = W_j(β) [s_0; s_1],

and the cell's output is one 1x1 convolution of its two inputs. In a reduction cell, what leaves the inputs are strided
skips; the cell is linear in their features, so the same holds with those in place of [s_0; s_1]. Nothing here grows
with the size of the images.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ftso_cli.nn.supernet import Wiring


def shuffle_order(channels: int, partial: int) -> Tensor:
    """The channel that `supernet.shuffle` puts in each place, (channels)."""
    return torch.arange(channels).view(partial, channels // partial).t().flatten()


def output_matrix(
    wiring: Wiring, weights: Tensor, selections: Mapping[int, Tensor], order: Tensor, features: int
) -> Tensor:
    """W(β), (output nodes · channels, features).

    `weights` is softmax(β), (edges). `selections` says for each edge that leaves an input, by its position, which
    feature each of its channels is, (channels); -> `selected`. All other edges shuffle their source by `order`.
    """
    eye = torch.eye(features, device=weights.device, dtype=weights.dtype)
    nodes: dict[int, Tensor] = {}
    for node, positions in wiring.nodes:
        edges = [
            eye[selections[at]] if at in selections else nodes[wiring.edges[at][0]][order]
            for at in range(positions.start, positions.stop)
        ]
        nodes[node] = torch.einsum("e,ecf->cf", weights[positions], torch.stack(edges))
    return torch.cat([nodes[node] for node in wiring.concat])


def plain_selections(sources: Sequence[int], order: Tensor) -> tuple[list[Tensor], int]:
    """Where each edge that leaves an input at stride 1 finds its channels, and how many both inputs have together.

    `sources` is the input of each of these edges.
    """
    return [source * len(order) + order for source in sources], 2 * len(order)


def strided_selections(sources: Sequence[int], order: Tensor, active: int) -> tuple[list[Tensor], int]:
    """Where each edge that leaves an input at stride 2 finds its channels, and how many features both inputs have.

    The features of one input: the even halves of the factorized reduces of all its edges, their odd halves, and the
    channels that pass by. `active` channels pass the factorized reduce.
    """
    start, selections = 0, {}
    for source in (0, 1):
        edges = [at for at, each in enumerate(sources) if each == source]
        for position, at in enumerate(edges):
            selections[at] = start + _strided_columns(position, len(edges), active, len(order))[order]
        start += len(edges) * active + len(order) - active if edges else 0
    return [selections[at] for at in range(len(sources))], start


def _strided_columns(position: int, edges: int, active: int, channels: int) -> Tensor:
    """The features that the edge at `position` among the `edges` of one input concatenates, before the shuffle."""
    half = active // 2
    even = torch.arange(half) + position * half
    odd = torch.arange(active - half) + edges * half + position * (active - half)
    passing = torch.arange(channels - active) + edges * active
    return torch.cat([even, odd, passing])
