"""The latencies of many networks that differ in their cells, a few milliseconds of work each.

What lies around the cells is known from one network; what is inside is put together from operators.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from ftso_cli.costs.layers import Cost
from ftso_cli.costs.network import NOTHING, image_shape, stage_costs
from ftso_cli.genotype import FORMAT, Cell, Edge, Genotype, graph
from ftso_cli.nn.device import seeded
from ftso_cli.nn.latency.cells import Place, cell_operations, operator_operations
from ftso_cli.nn.latency.table import LatencyEstimate, LatencyTable, OperationTime, network_operations
from ftso_cli.nn.merged.readers import only_active, readers_of
from ftso_cli.nn.network import Network
from ftso_cli.spaces import Space
from ftso_cli.spaces.darts import Evaluation
from ftso_cli.spaces.layers import Identity, Shape
from ftso_cli.spaces.skeleton import CellStage

Frame = tuple[Counter[Place], Counter[str]]
"""The number of cells in each place, and the operations around all of them by their number."""


class NetworkLatencies:
    """The latencies of networks of a space that have one shape, by the table of operations of a device."""

    def __init__(self, table: LatencyTable, space: Space, network: Evaluation) -> None:
        self.table, self.space = table, space
        self.shape, pixels = network
        self.images = (1, self.shape.image_channels, pixels, pixels)
        self.used: set[str] = set()
        """The operations that have been asked for."""
        self._frames: dict[object, Frame] = {}

    def of(self, genotype: Genotype) -> LatencyEstimate:
        """Return the latency of the network of a complete genotype; operations that are new are timed, and kept."""
        places, around = self._frame(genotype)
        names = Counter(around)
        for place, count in places.items():
            for name in cell_operations(genotype.cells[place.kind], place, self.space):
                names[name] += count
        self.used |= names.keys()
        found = self.table.total(names, genotype, self.shape, self.images)
        self.table.save()
        return found

    def of_edges(
        self, edges: Mapping[str, Sequence[tuple[int, int]]], ops: Sequence[str]
    ) -> Mapping[str, list[list[float]]]:
        """Return the milliseconds of each candidate on each edge in all cells of a kind together, alone there.

        A candidate that no cell may carry takes none.
        """
        found = {kind: [[0.0] * len(ops) for _ in its] for kind, its in edges.items()}
        for at, op in enumerate(ops):
            if op in self.space.never_derived:
                continue
            genotype = self._everywhere(op)
            for place, count in self._frame(genotype)[0].items():
                for row, (source, _) in zip(found[place.kind], edges[place.kind], strict=True):
                    names = Counter(operator_operations(op, source, place, self.space))
                    alone = self.table.total(names, genotype, self.shape, self.images).milliseconds
                    row[at] += count * alone
        self.table.save()
        return found

    def known(self) -> dict[str, list[float]]:
        """Return milliseconds and spread of every operation that was asked for."""
        times = {name: self.table.times[name] for name in sorted(self.used)}
        return {name: [time.milliseconds, time.spread] for name, time in times.items()}

    def go_by(self, times: Mapping[str, Sequence[float]]) -> None:
        """Take these times for those of the table; raises `ValueError` where they are none."""
        for name, (milliseconds, spread) in times.items():
            self.table.times[str(name)] = OperationTime(milliseconds=milliseconds, spread=spread)

    def _frame(self, genotype: Genotype) -> Frame:
        """The frame of a network: it depends on the inputs that cells read, and on their outputs."""
        key = tuple(
            (len(cell.concat), *sorted(graph.read_by(cell.kept, cell.concat) & set(range(self.space.inputs))))
            for cell in map(genotype.cells.__getitem__, self.space.kinds)
        )
        if key not in self._frames:
            self._frames[key] = self._traced(genotype)
        return self._frames[key]

    def _traced(self, genotype: Genotype) -> Frame:
        """The frame of a network, from all its operations and those of its cells."""
        with seeded(0):
            network = Network(genotype, self.shape, auxiliary=False)
        readers = readers_of(network, auxiliary=False)
        active, stems = only_active(readers), len(network.stems)
        read = {index for those in readers.values() for (index, _), _ in those}
        places = Counter(
            Place(
                kind=stage.kind,
                channels=stage.channels,
                inputs=inputs,
                nodes=nodes,
                raw=tuple(at for at, layers in enumerate(stage.preprocess) if layers == (Identity(),)),
                active=stems + stage.index in active,
            )
            for stage, inputs, nodes in self._stages(genotype)
            if stage.index in read
        )
        around = Counter(network_operations(genotype, self.shape, self.images, self.table.device))
        for place, count in places.items():
            for name in cell_operations(genotype.cells[place.kind], place, self.space):
                around[name] -= count
        return places, +around

    def _stages(self, genotype: Genotype) -> list[tuple[CellStage, Shape, Shape]]:
        """The cells in order, with the shapes of their inputs and nodes."""
        found: list[tuple[CellStage, Shape, Shape]] = []

        def note(stage: CellStage, inputs: Shape, nodes: Shape) -> Cost:
            found.append((stage, inputs, nodes))
            return NOTHING

        skeleton = self.space.skeleton(self.shape, {kind: len(cell.concat) for kind, cell in genotype.cells.items()})
        stage_costs(skeleton, image_shape(self.shape, self.images[2:]), note)
        return found

    def _everywhere(self, op: str) -> Genotype:
        """Cells with an operator alone on an edge from every input, and on one from a node."""
        first = self.space.inputs
        edges = [Edge(source=source, target=first + source, op=op) for source in range(first)]
        edges += [Edge(source=first, target=2 * first, op=op)]
        nodes = tuple(edge.target for edge in edges)
        cell = Cell(edges=tuple(edges), concat=nodes if self.space.joins_nodes else nodes[-1:])
        cells = dict.fromkeys(self.space.kinds, cell)
        return Genotype(format=FORMAT, space=self.space.name, stage="complete", searched_ops=(op,), cells=cells)
