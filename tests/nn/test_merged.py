"""The merged network against the reference: the same outputs, gradients, running statistics and random draws."""

import copy
import gc
from collections.abc import Iterable
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from ftso_cli.genotype import Cell, Edge, Genotype, library
from ftso_cli.genotype.edit import assign_operator
from ftso_cli.nn.device import seeded
from ftso_cli.nn.merged import MergedNetwork, network_class, separable, training
from ftso_cli.nn.merged.plan import Kind, blocks_of
from ftso_cli.nn.network import Network
from ftso_cli.spaces.darts import NetworkShape
from tests import nats
from tests.strategies import genotypes

SMALL = NetworkShape(channels=4, cells=4, classes=3)
POOLED = replace(SMALL, stem="pooled", reduction="pooled")


@pytest.fixture(autouse=True, params=["fused", "small"])
def separable_convolutions(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test runs with separable convolutions fused, and as on maps too small for that."""
    monkeypatch.setattr(training, "WORTH_FUSING", 0 if request.param == "fused" else 1 << 30)


def pair(genotype: Genotype, shape: NetworkShape = SMALL, dtype: torch.dtype = torch.float64) -> list[Network]:
    """The reference and the merged network, with the same weights."""
    made = []
    for kind in (Network, MergedNetwork):
        with seeded(0):
            made.append(kind(genotype, shape).to(dtype).to(memory_format=torch.channels_last))
    return made


def step(network: Network, images: torch.Tensor, drop_path: float = 0.0) -> dict[str, torch.Tensor | None]:
    """A forward and a backward pass: loss, gradients, and the running statistics afterwards."""
    network.train()
    network.drop_path.rate = drop_path
    network.drop_path.generator = torch.Generator().manual_seed(1)
    logits, auxiliary = network(images)
    labels = torch.arange(len(images)) % 3
    loss = functional.cross_entropy(logits, labels)
    if auxiliary is not None:
        loss = loss + 0.4 * functional.cross_entropy(auxiliary, labels)
    loss.backward()
    gradients = {name: parameter.grad for name, parameter in network.named_parameters()}
    return {"loss": loss.detach()} | gradients | dict(network.named_buffers())


def size_of(gradients: Iterable[torch.Tensor | None]) -> float:
    """The norm of all gradients together."""
    return float(torch.cat([each.double().flatten() for each in gradients if each is not None]).norm())


def assert_same(genotype: Genotype, images: torch.Tensor, drop_path: float = 0.0, shape: NetworkShape = SMALL) -> None:
    reference, merged = pair(genotype, shape)
    expected, found = (step(network, images, drop_path) for network in (reference, merged))
    # The statistics of a batch norm that nobody reads stay as they are in the merged network.
    without = [
        name for name, _ in reference.named_parameters() if (gradient := expected[name]) is None or not gradient.any()
    ]
    unread = {name.rsplit(".", 1)[0] for name in without}
    moved = {name for name, _ in reference.named_buffers() if name.rsplit(".", 1)[0] not in unread}
    for name in moved | {"loss"} | {name for name, _ in reference.named_parameters()}:
        value = expected[name]
        if value is None:
            assert found[name] is None, name
        elif found[name] is None:
            # Behind `none` the reference has zeros.
            assert not value.any(), name
        else:
            torch.testing.assert_close(found[name], value, rtol=1e-9, atol=1e-9, msg=name)


@given(
    genotypes("complete", nodes=(1, 4), inputs=(1, 3), history=False),
    st.tuples(st.integers(3, 10), st.integers(3, 10)),
    st.sampled_from([0.0, 0.4]),
)
@settings(max_examples=12, deadline=None)
def test_any_cell_has_the_losses_and_gradients_of_the_reference(
    genotype: Genotype, size: tuple[int, int], drop_path: float
) -> None:
    images = torch.randn(4, 3, *size, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    assert_same(genotype, images, drop_path)


@given(
    nats.STRINGS,
    st.tuples(st.integers(4, 9), st.integers(4, 9)),
    st.sampled_from([0.0, 0.4]),
    st.sampled_from([SMALL, POOLED]),
)
@settings(max_examples=20, deadline=None)
def test_a_cell_of_one_input_has_the_losses_and_gradients_of_the_reference(
    architecture: str, size: tuple[int, int], drop_path: float, shape: NetworkShape
) -> None:
    images = torch.randn(4, 3, *size, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    assert_same(nats.genotype(architecture), images, drop_path, shape)


@pytest.mark.parametrize("drop_path", [0.0, 0.4])
@pytest.mark.parametrize("name", ["ftso_wide_sep3", "ftso_deep_sep3", "darts_v2", "nasnet_a"])
def test_blocks_of_samples_change_nothing(name: str, drop_path: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(separable, "BLOCK_NUMBERS", 700)
    assert_same(library.load_genotype(name), torch.randn(5, 3, 8, 8, dtype=torch.float64), drop_path)


def test_an_edge_into_a_node_that_nobody_reads_gets_no_gradient() -> None:
    cell = Cell(
        edges=tuple(Edge(source=s, target=t, op="sep_conv_3x3") for t, s in ((2, 0), (2, 1), (3, 0), (3, 2))),
        concat=(2,),
    )
    genotype = library.load_genotype("ftso_wide_sep3").replace(cells={"normal": cell, "reduce": cell})
    assert_same(genotype, torch.randn(4, 3, 8, 8, dtype=torch.float64))


def test_weights_go_from_one_to_the_other_and_evaluate_alike() -> None:
    reference, merged = pair(library.load_genotype("ftso_wide_sep3"))
    step(merged, torch.randn(4, 3, 8, 8, dtype=torch.float64))
    reference.load_state_dict(merged.state_dict())
    images = torch.randn(3, 3, 8, 8, dtype=torch.float64)
    assert torch.equal(reference.eval()(images)[0], merged.eval()(images)[0])


def test_frozen_batch_norm_is_read_and_not_moved() -> None:
    reference, merged = pair(library.load_genotype("darts_v2"))
    images = torch.randn(4, 3, 8, 8, dtype=torch.float64)
    outputs = []
    for network in (reference, merged):
        network.train()
        for module in network.cells.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.eval()
        before = copy.deepcopy(dict(network.cells.named_buffers()))
        outputs.append(network(images)[0])
        assert all(torch.equal(before[name], buffer) for name, buffer in network.cells.named_buffers())
    torch.testing.assert_close(*outputs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ["ftso_wide_sep3", "ftso_residual", "ftso_single", "darts_v2"])
def test_in_bfloat16_it_is_as_exact_as_the_reference(name: str) -> None:
    """Exact: the gradients of double precision."""
    images = torch.randn(16, 3, 12, 12, generator=torch.Generator().manual_seed(2))
    exact = step(pair(library.load_genotype(name))[0], images.double())
    errors = []
    for network in pair(library.load_genotype(name), dtype=torch.float32):
        with torch.autocast("cpu", torch.bfloat16):
            found = step(network, images)
        names = [at for at, _ in network.named_parameters() if found[at] is not None and exact[at] is not None]
        apart = size_of(found[at].double() - exact[at] for at in names)
        errors.append(apart / size_of(exact[at] for at in names))
    assert 1e-3 < errors[1] < 1.5 * errors[0]
    assert errors[0] < 0.5


def blocks(name: str) -> list[tuple[tuple[int, ...], list[Kind]]]:
    """The nodes of each block of a published cell's normal cell, and the kinds of its terms."""
    cell = library.load_genotype(name).cells["normal"]
    operators = MergedNetwork(library.load_genotype(name), SMALL).cells[0].operators
    found = blocks_of(cell.kept, cell.concat, operators)
    return [(block.nodes, [term.kind for term in block.terms]) for block in found]


def test_separable_convolutions_are_fused_and_skips_are_shared() -> None:
    kinds = {kind for _, found in blocks("darts_v2") for kind in found}
    assert kinds == {Kind.SEPARABLE, Kind.SHARED}


def test_nodes_with_the_same_convolutions_are_one_block() -> None:
    wide = library.load_genotype("ftso_wide_sep3")
    assert [nodes for nodes, _ in blocks("ftso_wide_sep3")] == [(2,), (3,), (4,), (5,)]
    plain = assign_operator(wide.replace(stage="pruned"), "conv_3x3")
    operators = MergedNetwork(plain, SMALL).cells[0].operators
    (block,) = blocks_of(plain.cells["normal"].kept, (2, 3, 4, 5), operators)
    assert block.nodes == (2, 3, 4, 5)
    assert [(term.source, term.kind, len(term.edges)) for term in block.terms] == [
        (0, Kind.CONVOLUTION, 4),
        (1, Kind.CONVOLUTION, 4),
    ]


@pytest.mark.parametrize("momentum", [0.1, None])
def test_losses_stay_those_of_the_reference_over_ten_steps(momentum: float | None) -> None:
    """In double precision, where rounding has no time to grow."""
    losses = []
    images = torch.randn(10, 4, 3, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for network in pair(library.load_genotype("ftso_wide_sep3"), NetworkShape(channels=4, cells=3, classes=3)):
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = momentum
        optimizer = torch.optim.SGD(network.parameters(), 0.025, momentum=0.9, weight_decay=3e-4)
        losses.append([])
        for batch in images if momentum else images[:5]:
            optimizer.zero_grad()
            losses[-1].append(step(network, batch)["loss"].item())
            optimizer.step()
    assert losses[1] == pytest.approx(losses[0], rel=1e-9)


def test_other_devices_keep_the_reference() -> None:
    assert network_class(torch.device("cpu")) is MergedNetwork
    assert network_class(torch.device("cuda")) is Network


@pytest.mark.parametrize("name", ["ftso_block", "ftso_wide_sep3", "darts_v2"])
def test_a_step_leaves_no_map_to_the_garbage_collector(name: str) -> None:
    _, merged = pair(library.load_genotype(name))
    images = torch.randn(4, 3, 8, 8, dtype=torch.float64)
    step(merged, images)
    gc.collect()
    gc.disable()
    try:
        step(merged, images)
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        assert not [found for found in gc.garbage if isinstance(found, torch.Tensor)]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
