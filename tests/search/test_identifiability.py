"""Whether operators can see the topology: what the algebra says, found numerically."""

import pytest
import torch

from ftso_cli.nn.supernet import SuperNet, Wiring, complete_wiring
from ftso_cli.search.topology.identifiability import identifiability, unidentifiable_kinds
from ftso_cli.settings.searches import TopologySettings
from ftso_cli.spaces import DARTS, NATS
from ftso_cli.spaces.darts import NetworkShape
from ftso_cli.spaces.nats import EDGES, KIND, OUTPUT


def seen(ops: tuple[str, ...], *, partial: int, channels: int = 16, nodes: int = 4) -> dict[str, tuple[int, int]]:
    shape = NetworkShape(channels=channels, cells=6)
    net = SuperNet(dict.fromkeys(DARTS.kinds, complete_wiring(nodes)), DARTS, ops, shape, partial=partial)
    return {found.kind: (found.identifiable, found.freedom) for found in identifiability(net)}


def test_the_paper_s_search_can_see_every_direction() -> None:
    """Channel shuffles of 64 channels in 4 groups tell nodes apart; those of 16 channels undo themselves in two."""
    assert seen(("skip_connect",), partial=4) == {"normal": (10, 10), "reduce": (10, 10)}


def test_without_a_shuffle_skip_connections_see_one_number_a_node() -> None:
    """Every node is w · s0 + (1 - w) · s1, whatever its other edges do."""
    assert seen(("skip_connect",), partial=1)["normal"] == (4, 10)
    assert seen(("skip_connect",), partial=1, nodes=6)["normal"] == (6, 21)


@pytest.mark.parametrize("op", ["avg_pool_3x3", "max_pool_3x3", "sep_conv_3x3"])
def test_operators_that_change_the_map_see_everything(op: str) -> None:
    assert seen((op,), partial=1, channels=8) == {"normal": (10, 10), "reduce": (10, 10)}


def test_a_search_has_the_blind_spots_of_its_settings() -> None:
    assert unidentifiable_kinds(TopologySettings()) == []
    blind = unidentifiable_kinds(TopologySettings(partial=1, cells=3, nodes=3))
    assert [(found.kind, found.identifiable, found.freedom) for found in blind] == [("normal", 3, 6)]


def test_a_nats_cell_of_skip_connections_sees_nothing_and_one_of_average_pools_everything() -> None:
    """With one input, every node of skip connections is that input."""
    wiring = Wiring(edges=EDGES, concat=(OUTPUT,))
    for op, expected in (("skip_connect", 0), ("avg_pool_3x3", 3)):
        net = SuperNet({KIND: wiring}, NATS, (op,), NetworkShape(channels=8, cells=3), partial=1)
        (found,) = identifiability(net)
        assert (found.identifiable, found.freedom) == (expected, 3)


def test_looking_leaves_no_trace() -> None:
    net = SuperNet(
        dict.fromkeys(DARTS.kinds, complete_wiring(2)), DARTS, ("avg_pool_3x3",), NetworkShape(channels=8, cells=3)
    )
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    random = torch.random.get_rng_state()
    identifiability(net)
    assert torch.equal(random, torch.random.get_rng_state())
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert next(net.parameters()).dtype == torch.float32
