"""Weights and MACs of the super-net that a search trains: what a choice of candidates really saves."""

from collections.abc import Sequence
from dataclasses import dataclass

from ftso_cli.costs.layers import Cost, layers_cost
from ftso_cli.costs.network import image_shape, stage_costs
from ftso_cli.errors import SettingsError
from ftso_cli.spaces import DARTS, operator
from ftso_cli.spaces.darts import SEARCH, NetworkShape, darts_skeleton
from ftso_cli.spaces.layers import Shape, for_search
from ftso_cli.spaces.skeleton import CellStage


@dataclass(frozen=True, kw_only=True)
class SupernetCost:
    """A super-net in numbers: `edge_weights` are those of the `weights` that lie in the candidates on the edges.

    `alphas` are one for each edge and candidate, `betas` one for each edge, of each kind of cell. DARTS itself has
    no β; and α decides nothing where there is one candidate. `macs` are those of a forward pass of one image.
    """

    weights: int
    edge_weights: int
    alphas: int
    betas: int
    macs: int


def supernet_cost(
    ops: Sequence[str],
    *,
    nodes: int = 4,
    partial: int = 4,
    shape: NetworkShape = SEARCH,
    image_size: tuple[int, int] = (32, 32),
) -> SupernetCost:
    """Counts the super-net with candidates `ops` on every edge of cells with `nodes` intermediate nodes.

    1 / `partial` of the channels pass the candidates: 4 is PC-DARTS (Xu et al., 2020), 1 is DARTS. Raises
    `SettingsError` where the channels can't be split so, `SpaceError` for an operator that the space lacks.
    """
    _check(ops, nodes, partial, shape)
    from_inputs, between = DARTS.inputs * nodes, nodes * (nodes - 1) // 2

    def edges_cost(place: CellStage, inputs: Shape, at_nodes: Shape) -> Cost:
        width, stride = place.channels // partial, DARTS.stride(place.kind, 0)
        return (
            _mixed_cost(ops, stride, inputs._replace(channels=width)) * from_inputs
            + _mixed_cost(ops, 1, at_nodes._replace(channels=width)) * between
        )

    skeleton = darts_skeleton(shape, dict.fromkeys(DARTS.kinds, nodes), search=True)
    stages = stage_costs(skeleton, image_shape(shape, image_size), edges_cost)
    edges = len(DARTS.kinds) * (from_inputs + between)
    return SupernetCost(
        weights=sum(stage.params for stage in stages),
        edge_weights=sum(stage.edges.params for stage in stages),
        alphas=edges * len(ops),
        betas=edges,
        macs=sum(stage.macs for stage in stages),
    )


def _mixed_cost(ops: Sequence[str], stride: int, at: Shape) -> Cost:
    """All candidates on one edge; the channels that bypass them cost nothing."""
    candidates = (for_search(operator(op).layers(at.channels, stride)) for op in ops)
    return sum((layers_cost(layers, at)[0] for layers in candidates), Cost())


def _check(ops: Sequence[str], nodes: int, partial: int, shape: NetworkShape) -> None:
    for op in ops:
        operator(op, DARTS.operators)
    if nodes < 1 or partial < 1:
        raise SettingsError(f"nodes and partial must be at least 1, not {nodes} and {partial}")
    if shape.channels % partial:
        raise SettingsError(f"{shape.channels} channels can't be split into {partial} equal parts")
