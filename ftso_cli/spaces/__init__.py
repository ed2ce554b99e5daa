"""Search spaces as data: operators, the shape of a cell, the skeleton of a network. No torch here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ftso_cli.errors import SpaceError, unknown
from ftso_cli.spaces import darts, nats
from ftso_cli.spaces.darts import Evaluation, NetworkShape, darts_skeleton
from ftso_cli.spaces.nats import KIND, OUTPUT, nats_skeleton
from ftso_cli.spaces.operators import OPERATORS, Operator, operator
from ftso_cli.spaces.skeleton import Skeleton

__all__ = ["DARTS", "NATS", "OPERATORS", "SPACES", "Operator", "Space", "operator", "space"]


class MakeSkeleton(Protocol):
    """Makes the skeleton of a network of `shape` whose cells of each kind concatenate `concat[kind]` nodes."""

    def __call__(
        self, shape: NetworkShape, concat: Mapping[str, int], *, search: bool = False, auxiliary: bool = False
    ) -> Skeleton:
        """With `search` that of a super-net, with `auxiliary` with its auxiliary head, where the space has one."""


@dataclass(frozen=True, kw_only=True)
class Space:
    """The shape of a cell: its kinds, its inputs, how many edges a node keeps, and what an edge may carry.

    `candidates` are the operators that a search chooses from by default; `operators` are all that an edge may carry.
    A cell has `nodes` nodes besides its inputs; its output is all of them with `joins_nodes`, else the last.
    Its cells are counted in the networks of `evaluations`, `reference` in words, MACs by `convention`. `search` has
    what searches of wiring have instead of the paper's settings. `never_derived` are candidates that a search may weigh
    but a found cell may not carry. `usual` is the operator that every edge gets where no other is asked for.
    """

    name: str
    kinds: tuple[str, ...]
    inputs: int
    nodes: int
    joins_nodes: bool
    keep: int
    operators: tuple[str, ...]
    candidates: tuple[str, ...]
    never_derived: frozenset[str]
    default_operator: str
    skeleton: MakeSkeleton
    evaluations: Mapping[str, Evaluation]
    reference: str
    convention: str = "conv-linear"
    search: Mapping[str, Any] = field(default_factory=dict)

    @property
    def keeps_all(self) -> bool:
        """True where a node keeps its edges from all earlier nodes."""
        return self.keep >= self.inputs + self.nodes - 1

    @property
    def derivable(self) -> tuple[str, ...]:
        """The operators that a found cell may carry."""
        return tuple(op for op in self.operators if op not in self.never_derived)

    def stride(self, kind: str, source: int) -> int:
        """The stride of an edge that leaves node `source` in a cell of `kind`."""
        return 2 if kind == "reduce" and source < self.inputs else 1


_PAPER_OPERATORS = (
    "none",
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)
"""The candidates of the paper (section 4) and of DARTS."""

_PUBLISHED_OPERATORS = ("sep_conv_7x7", "conv_7x1_1x7", "conv_3x1_1x3")
"""Operators of published cells only: NASNet-A, PNAS, AmoebaNet-A, SETN."""

_CONVOLUTIONS = ("conv_1x1", "conv_3x3")
"""Plain convolutions, the fastest operators on a CPU: one pass over memory, and those that share an input merge."""

DARTS = Space(
    name="darts",
    kinds=("normal", "reduce"),
    inputs=2,
    nodes=4,
    joins_nodes=True,
    keep=2,
    operators=_PAPER_OPERATORS + _PUBLISHED_OPERATORS + _CONVOLUTIONS,
    candidates=_PAPER_OPERATORS,
    never_derived=frozenset({"none"}),
    default_operator="sep_conv_3x3",
    skeleton=darts_skeleton,
    evaluations=darts.EVALUATIONS,
    reference="the paper's network for CIFAR-10",
)

_NATS_OPERATORS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")

NATS = Space(
    name="nats",
    kinds=(KIND,),
    inputs=1,
    nodes=OUTPUT,
    joins_nodes=False,
    keep=3,  # all: every node of a cell reads every earlier one
    operators=_NATS_OPERATORS,
    candidates=_NATS_OPERATORS,
    never_derived=frozenset(),
    default_operator="nor_conv_3x3",
    skeleton=nats_skeleton,
    evaluations=nats.EVALUATIONS,
    reference="the benchmark's network for CIFAR-10",
    convention="bias",
    # All channels, as the benchmark's super-net has it, and a cell a stage, so that an epoch of CIFAR-10 takes about a
    # minute on two cores.
    search={"partial": 1, "cells": 3},
)

SPACES: Mapping[str, Space] = {space.name: space for space in (DARTS, NATS)}


def space(name: str) -> Space:
    """The space called `name`; raises `SpaceError` where there is none."""
    if name not in SPACES:
        raise SpaceError(unknown("search space", name, SPACES))
    return SPACES[name]
