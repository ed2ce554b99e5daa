"""The cells that a search by evaluation chooses among, as tuples of numbers: one number for each decision.

Every node of a cell has a decision which earlier nodes it reads, and one for the operator on each of these edges. What
is decided already has one value. So wiring, operators and both are one kind of search.
"""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

from ftso_cli.errors import SettingsError
from ftso_cli.genotype import FORMAT, Cell, Edge, Genotype
from ftso_cli.genotype.edit import assign_chosen, require_searchable
from ftso_cli.search.limit import NO_LIMIT, CellCost, Limit
from ftso_cli.spaces import SPACES, Space, operator

Candidate = tuple[int | None, ...]
"""The number of the value that each decision takes; None where it is still to be taken."""

Inputs = tuple[int, ...]
"""The nodes that a node reads, in ascending order."""


@dataclass(frozen=True)
class NodeDecisions:
    """The decisions about one node: alternatives of its inputs, and of the operator on the edge from each input."""

    kind: str
    target: int
    inputs: tuple[Inputs, ...]
    ops: tuple[tuple[str, ...], ...]

    @property
    def sizes(self) -> tuple[int, ...]:
        """The number of values of each decision."""
        return (len(self.inputs), *map(len, self.ops))

    def near(self, decision: int, value: int) -> list[int]:
        """The values that differ least from `value`: one other input, or any other operator."""
        if decision:
            return [other for other in range(len(self.ops[decision - 1])) if other != value]
        own = set(self.inputs[value])
        return [at for at, inputs in enumerate(self.inputs) if len(own - set(inputs)) == 1]

    def edges(self, values: Sequence[int]) -> list[Edge]:
        """The edges into the node."""
        sources = self.inputs[values[0]]
        ops = (of[at] for of, at in zip(self.ops, values[1:], strict=True))
        return [Edge(source=source, target=self.target, op=op) for source, op in zip(sources, ops, strict=True)]


Build = Callable[[Mapping[str, list[Edge]]], Genotype]
"""Makes the genotype of the decided edges of each kind of cell."""


class Domain:
    """All candidates of a search, within a limit on what their networks cost."""

    def __init__(self, nodes: Sequence[NodeDecisions], build: Build, *, undecided: str | None, limit: Limit) -> None:
        """`undecided` is the operator of a decision to be taken; None where its node is left out of the cell."""
        self.nodes, self.limit = tuple(nodes), limit
        self._build, self._undecided = build, undecided
        self.places = [(node, at) for node in self.nodes for at in range(len(node.sizes))]
        """For each decision its node, and its place there: 0 for the inputs."""
        self.sizes = tuple(node.sizes[at] for node, at in self.places)
        self._costs: dict[Candidate, CellCost] = {}

    @cached_property
    def stages(self) -> tuple[tuple[int, ...], ...]:
        """The decisions in the order in which cells grow: the first node of every kind, then node by node."""
        first = min(node.target for node in self.nodes)
        order = sorted({(node.target, "" if node.target == first else node.kind) for node in self.nodes})
        return tuple(
            tuple(at for at, (node, _) in enumerate(self.places) if node.target == target and kind in ("", node.kind))
            for target, kind in order
        )

    def genotype(self, candidate: Candidate) -> Genotype:
        """Return the complete genotype of a candidate; nodes that are to be decided are skipped or left out."""
        edges: dict[str, list[Edge]] = {node.kind: [] for node in self.nodes}
        left = iter(candidate)
        for node in self.nodes:
            values = [value for _, value in zip(node.sizes, left, strict=False)]
            decided = [value for value in values if value is not None]
            if len(decided) == len(values):
                edges[node.kind] += node.edges(decided)
            elif self._undecided is not None:
                edges[node.kind] += [
                    Edge(source=source, target=node.target, op=self._undecided) for source in node.inputs[0]
                ]
        return self._build(edges)

    def draw(self, draws: random.Random) -> Candidate:
        """Return a candidate of uniformly drawn values, made cheaper where it is over the limit."""
        return self.lowered(tuple(draws.randrange(size) for size in self.sizes), draws)

    def neighbours(self, candidate: Candidate) -> Iterator[Candidate]:
        """Yield the candidates within the limit that differ least from this one, in one decision."""
        return (other for other in self._around(candidate) if self.allows(other))

    def mutant(self, candidate: Candidate, draws: random.Random) -> Candidate:
        """Return a neighbour: inputs or an operator change, both as likely, and any decision of these.

        Without a neighbour within the limit it is a new draw.
        """
        around = [list(self._around(candidate, inputs=inputs)) for inputs in (True, False)]
        draws.shuffle(around)
        for several in around:
            draws.shuffle(several)
            for other in several:
                if self.allows(other):
                    return other
        return self.draw(draws)

    def allows(self, candidate: Candidate) -> bool:
        """Return True where the network of a candidate keeps to the limit."""
        return self.excess(candidate) <= 1

    def excess(self, candidate: Candidate) -> float:
        """Return what the network of a candidate costs, as a share of the limit."""
        if not self.limit:
            return 0.0
        return self.limit.share(self.cost(candidate))

    def cost(self, candidate: Candidate) -> CellCost:
        """Return what the network of a candidate costs; raises `SettingsError` where the space lacks the network."""
        if candidate not in self._costs:
            self._costs[candidate] = self.limit.cost(self.genotype(candidate))
        return self._costs[candidate]

    def lowered(self, candidate: Candidate, draws: random.Random) -> Candidate:
        """Return the candidate, or where it is over the limit the end of a random walk over cheaper and cheaper ones.

        Raises `SettingsError` where the cheapest on the way is still over the limit.
        """
        while not self.allows(candidate):
            around, excess = list(self._around(candidate)), self.excess(candidate)
            draws.shuffle(around)
            cheaper = next((other for other in around if self.excess(other) < excess), None)
            if cheaper is None:
                raise SettingsError(self.limit.refusal(self.genotype(candidate)))
            candidate = cheaper
        return candidate

    def _around(self, candidate: Candidate, inputs: bool | None = None) -> Iterator[Candidate]:
        """Yield all that differ least, whatever they cost; of the decisions on inputs alone, or on operators."""
        for at, ((node, place), value) in enumerate(zip(self.places, candidate, strict=True)):
            if value is None or inputs not in (None, place == 0):
                continue
            for other in node.near(place, value):
                yield (*candidate[:at], other, *candidate[at + 1 :])


def cells_domain(space: Space, nodes: int, ops: Sequence[str], limit: Limit = NO_LIMIT) -> Domain:
    """All cells of a space with `nodes` nodes: what each node reads, and one of `ops` on each edge."""
    allowed = tuple(operator(op, space.derivable).name for op in ops)
    decisions = []
    for kind in space.kinds:
        for target in range(space.inputs, space.inputs + nodes):
            keep = min(space.keep, target)
            inputs = tuple(combinations(range(target), keep))
            decisions.append(NodeDecisions(kind, target, inputs, (allowed,) * keep))

    def build(edges: Mapping[str, list[Edge]]) -> Genotype:
        cells = {kind: Cell(edges=tuple(own), concat=_concat(space, own)) for kind, own in edges.items()}
        return Genotype(format=FORMAT, space=space.name, stage="complete", searched_ops=allowed, cells=cells)

    undecided = None if space.joins_nodes else _identity(allowed)
    return Domain(decisions, build, undecided=undecided, limit=limit)


def operators_domain(genotype: Genotype, ops: Sequence[str], limit: Limit = NO_LIMIT) -> Domain:
    """All operators on the kept edges of a genotype; raises `GenotypeError` where the wiring is not decided yet."""
    require_searchable(genotype)
    space = SPACES[genotype.space]
    allowed = tuple(operator(op, space.derivable).name for op in ops)
    decisions = []
    for kind in space.kinds:
        cell = genotype.cells[kind]
        for target in cell.nodes:
            sources = tuple(edge.source for edge in cell.inputs_of(target))
            decisions.append(NodeDecisions(kind, target, (sources,), (allowed,) * len(sources)))

    def build(edges: Mapping[str, list[Edge]]) -> Genotype:
        left = {kind: iter(own) for kind, own in edges.items()}
        return assign_chosen(genotype, lambda kind, edge: str(next(left[kind]).op))

    return Domain(decisions, build, undecided=_identity(allowed), limit=limit)


def _concat(space: Space, edges: Sequence[Edge]) -> tuple[int, ...]:
    nodes = sorted({edge.target for edge in edges})
    return tuple(nodes) if space.joins_nodes else (nodes[-1],)


def _identity(ops: Sequence[str]) -> str:
    """The operator of an edge that is to be decided: the one that changes least."""
    return "skip_connect" if "skip_connect" in ops else ops[0]
