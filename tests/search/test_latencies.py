"""Latencies of cells by the table of operations, and searches that keep to a limit on them."""

import random
from pathlib import Path

import pytest
import torch

from ftso_cli.errors import SettingsError
from ftso_cli.genotype import Genotype
from ftso_cli.nn.latency import LatencyTable, OperationTime
from ftso_cli.nn.latency.table import network_operations
from ftso_cli.nn.mixed import SharedSuperNet
from ftso_cli.nn.supernet import complete_wirings
from ftso_cli.search.blackbox.domain import cells_domain
from ftso_cli.search.blackbox.engine import AskTellEngine
from ftso_cli.search.blackbox.evolution import RegularisedEvolution
from ftso_cli.search.derivation import derived, within
from ftso_cli.search.latencies import NetworkLatencies
from ftso_cli.search.limit import Limit
from ftso_cli.search.penalties import penalty
from ftso_cli.spaces import DARTS, NATS, Space
from ftso_cli.spaces.darts import Evaluation, NetworkShape

CPU = torch.device("cpu")
SMALL = Evaluation(NetworkShape(channels=4, cells=3), 8)
CONVOLUTIONS = ("conv_1x1", "conv_3x3", "skip_connect", "max_pool_3x3")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FTSO_CACHE", str(tmp_path / "cache"))


class EvenTable(LatencyTable):
    """A table in which every operation takes a millisecond, and nothing has to be timed."""

    def total(self, names, genotype, shape, images):  # type: ignore[no-untyped-def]
        self.times |= {name: OperationTime(milliseconds=1, spread=0) for name in names if name not in self.times}
        return super().total(names, genotype, shape, images)


def cells(space: Space, ops: tuple[str, ...], count: int) -> list[Genotype]:
    domain, draws = cells_domain(space, 3, ops), random.Random(0)
    return [domain.genotype(domain.draw(draws)) for _ in range(count)]


@pytest.mark.parametrize(
    ("space", "ops", "shape"),
    [
        (DARTS, DARTS.derivable, NetworkShape(channels=4, cells=4)),
        (DARTS, CONVOLUTIONS, NetworkShape(channels=4, cells=3, stem="quarter")),
        (NATS, NATS.derivable, NetworkShape(channels=4, cells=3)),
    ],
)
def test_the_operations_of_a_cell_are_those_of_its_whole_network(
    space: Space, ops: tuple[str, ...], shape: NetworkShape
) -> None:
    latencies = NetworkLatencies(EvenTable(CPU), space, Evaluation(shape, 17))
    for cell in cells(space, ops, 4):
        whole = network_operations(cell, shape, latencies.images, CPU)
        found = {row.name: row.calls for row in latencies.of(cell).rows}
        assert found == {name: whole.count(name) for name in whole}


def test_operations_that_are_new_are_timed_once_and_kept() -> None:
    first, second = cells(DARTS, CONVOLUTIONS, 2)
    latencies = NetworkLatencies(LatencyTable(CPU), DARTS, SMALL)
    found = latencies.of(first)
    latencies.of(second)
    again = NetworkLatencies(LatencyTable(CPU), DARTS, SMALL)
    assert again.of(first) == found and found.spread > 0
    assert again.table.times == latencies.table.times
    assert again.used < latencies.used == again.table.times.keys()


def test_times_of_another_device_decide_and_are_not_kept() -> None:
    first, second = cells(DARTS, CONVOLUTIONS, 2)
    here = NetworkLatencies(LatencyTable(CPU), DARTS, SMALL)
    own = here.of(first)
    resumed = NetworkLatencies(LatencyTable(CPU), DARTS, SMALL)
    resumed.go_by({row.name: (1000.0, 0.0) for row in own.rows})
    assert resumed.of(first).milliseconds == 1000 * sum(row.calls for row in own.rows)
    resumed.of(second)
    assert NetworkLatencies(LatencyTable(CPU), DARTS, SMALL).of(first) == own


def test_two_searches_side_by_side_keep_what_both_have_timed() -> None:
    first, second = cells(DARTS, CONVOLUTIONS, 2)
    one, other = (NetworkLatencies(LatencyTable(CPU), DARTS, SMALL) for _ in range(2))
    one.of(first)
    other.of(second)
    kept = LatencyTable(CPU).times
    assert kept.keys() == one.table.times.keys() | other.table.times.keys()
    assert all(kept[name] == time for name, time in one.table.times.items())


def test_candidates_take_as_long_on_an_edge_as_their_operations() -> None:
    latencies = NetworkLatencies(EvenTable(CPU), DARTS, SMALL)
    edges = {"normal": [(0, 2), (2, 3)], "reduce": [(1, 2), (2, 3)]}
    found = latencies.of_edges(edges, ("none", "skip_connect", "conv_3x3", "sep_conv_3x3"))
    # A convolution, and two times a depthwise and a pointwise one with a ReLU between; of three cells two reduce.
    assert found["normal"] == [[0, 0, 1, 5], [0, 0, 1, 5]]
    assert found["reduce"] == [[0, 2 * 1, 2 * 1, 2 * 5], [0, 0, 2 * 1, 2 * 5]]


def test_only_cells_within_a_latency_are_evaluated_and_a_search_goes_on_by_its_own_times() -> None:
    ops = ("skip_connect", "max_pool_3x3", "sep_conv_3x3")
    free = NetworkLatencies(EvenTable(CPU), DARTS, SMALL)
    typical = sorted(free.of(cell).milliseconds for cell in cells(DARTS, ops, 6))[2]

    def made() -> tuple[AskTellEngine, NetworkLatencies]:
        latencies = NetworkLatencies(EvenTable(CPU), DARTS, SMALL)
        domain = cells_domain(DARTS, 3, ops, Limit(milliseconds=typical, latencies=latencies))
        return AskTellEngine(RegularisedEvolution(domain, seed=0, evaluations=16), Rewarded()), latencies

    (whole, _), (stopped, own), (resumed, others) = made(), made(), made()
    whole.run(lambda progress: None)
    seen = [whole.searcher.domain.genotype(candidate) for candidate, _ in whole.searcher.evaluated]
    assert max(free.of(cell).milliseconds for cell in seen) <= typical
    for _ in range(12):
        stopped.step()
    others.table.times |= {name: OperationTime(milliseconds=100, spread=0) for name in own.used}
    resumed.restore(stopped.state())
    resumed.run(lambda progress: None)
    assert resumed.searcher.evaluated == whole.searcher.evaluated


class Rewarded:
    """An evaluator that counts edges, however long it looks."""

    def __call__(self, genotype: Genotype, /) -> float:
        return float(sum(edge.source for cell in genotype.cells.values() for edge in cell.edges))

    def longer(self, times: int) -> "Rewarded":
        return self


def test_where_no_cell_is_fast_enough_the_fastest_is_told() -> None:
    latencies = NetworkLatencies(EvenTable(CPU), NATS, SMALL)
    domain = cells_domain(NATS, 3, NATS.derivable, Limit(milliseconds=2.5, latencies=latencies))
    with pytest.raises(SettingsError, match=r"no cell fits: the fastest takes \d+ ms, more than 2.5 ms in the cifar"):
        domain.draw(random.Random(0))


def test_the_cell_of_a_super_net_within_a_latency_is_the_strongest_of_the_fast_ones() -> None:
    ops = ("skip_connect", "nor_conv_1x1", "nor_conv_3x3")
    net = SharedSuperNet(complete_wirings(NATS, 3), NATS, ops, SMALL.shape, partial=1, weigh_edges=False)
    alpha = net.alpha["cell"].data
    alpha.copy_(torch.tensor([0.0, 2.0, 1.0]) * torch.arange(6, 0, -1)[:, None])
    latencies = NetworkLatencies(EvenTable(CPU), NATS, SMALL)

    def found(most: float) -> Genotype:
        limit = Limit(milliseconds=most, latencies=latencies)
        return within(limit, net, NATS, lambda charges: derived(net, NATS, charges))()

    free = found(1000)
    assert {edge.op for edge in free.cells["cell"].edges} == {"nor_conv_1x1"}
    most = latencies.of(free).milliseconds - 1
    fast = found(most)
    assert latencies.of(fast).milliseconds <= most
    kept = [edge.op for edge in fast.cells["cell"].edges]
    assert kept[0] == "nor_conv_1x1" and kept[-1] == "skip_connect", "weak edges give way"
    with pytest.raises(SettingsError, match=r"no cell fits: the fastest takes \d+ ms, more than 1 ms"):
        found(1)


def test_a_penalty_of_latency_is_the_expected_time_of_the_candidates_as_a_share_of_the_longest() -> None:
    ops = ("skip_connect", "nor_conv_1x1", "nor_conv_3x3")
    net = SharedSuperNet(complete_wirings(NATS, 3), NATS, ops, SMALL.shape, partial=1, weigh_edges=False)
    weigh = penalty({"latency": 2.0}, net, NATS, SMALL)
    assert weigh is not None
    times = torch.tensor(NetworkLatencies(LatencyTable(CPU), NATS, SMALL).of_edges({"cell": [(0, 1)] * 6}, ops)["cell"])
    assert times[0, 0] == 0 and times[0, 1:].min() > 0
    net.alpha["cell"].data.copy_(torch.randn(6, 3, generator=torch.Generator().manual_seed(0)))
    expected = (net.alpha["cell"].softmax(1) * times).sum() / times.max(1).values.sum()
    assert weigh(net, net.softmax()).item() == pytest.approx(2 * expected.item(), rel=1e-5)
