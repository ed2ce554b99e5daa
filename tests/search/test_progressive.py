"""P-DARTS: stages of depth and candidates, dropout on identities, few skip connections."""

import math

import pytest
import torch

from ftso_cli.search.derivation import derived
from ftso_cli.search.engine.progressive import Progressive
from ftso_cli.spaces import DARTS
from tests.search.searches import OPS, search


def engine(iters: int = 6, **changes: object) -> Progressive:
    made = search("p-darts", iters=iters, cells=3, added_cells=(0, 1, 2), **changes).engine
    assert isinstance(made, Progressive)
    return made


def test_each_stage_is_deeper_and_keeps_the_strongest_candidates_of_the_one_before() -> None:
    made = engine(warmup=0.5)
    seen, live = [], []
    for _ in range(6):
        strongest = {kind: made.net.candidate_weights(kind) for kind in made.net.alpha}
        before = made.stage
        held = made.step().arch_loss is None
        seen.append((len(made.net.cells), held))
        if made.stage > before:
            live.append(made.net.live)
            for kind, mask in made.net.live.items():
                kept = strongest[kind].masked_fill(~mask, math.inf).amin(1)
                gone = strongest[kind].masked_fill(mask, -1).amax(1)
                assert bool((kept >= gone).all())
    assert seen == [(3, True), (3, False), (4, True), (4, False), (5, True), (5, False)]
    assert [int(masks["normal"].sum(1)[0]) for masks in live] == [math.ceil(4 * 5 / 8), math.ceil(4 * 3 / 8)]
    assert bool((live[1]["normal"] <= live[0]["normal"]).all())


def test_dropout_behind_identities_falls_as_published_and_keeps_the_mean() -> None:
    made = engine(iters=75, warmup=10 / 25)
    expected = [0.4 * (25 - epoch) / 25 if epoch < 10 else 0.4 * math.exp(-0.2 * (epoch - 10)) for epoch in range(25)]
    made._enter(1, {})
    found = []
    for made.iteration in range(25, 50):
        made.prepare()
        found.append(made.mixer.dropout)
    assert found == pytest.approx(expected)
    drop = made.mixer(made.net, 0.0).drop
    assert drop is not None
    made.mixer.dropout = 0.25
    dropped = made.mixer(made.net, 0.0).drop(torch.ones(20, 10, 20, 20))
    assert dropped.unique().tolist() == pytest.approx([0, 4 / 3])
    assert dropped.mean().item() == pytest.approx(1, abs=0.01)


def test_a_cell_of_stride_1_has_few_skip_connections_the_strongest_ones() -> None:
    net = search("darts-1st").engine.net
    skip, conv = OPS.index("skip_connect"), OPS.index("sep_conv_3x3")
    for alpha in net.alpha.values():
        alpha.data.zero_()
        alpha.data[:, skip], alpha.data[:, conv] = torch.arange(5) + 3.0, 1.0
    capped = derived(net, DARTS, None, 1)
    skips = {
        kind: [(e.source, e.target) for e in cell.kept if e.op == "skip_connect"] for kind, cell in capped.cells.items()
    }
    assert len(skips["reduce"]) == 4
    assert skips["normal"] == [(2, 3)], "the edge whose skip connection is strongest"
    assert all(len(cell.inputs_of(node)) == 2 for cell in capped.cells.values() for node in cell.nodes)
