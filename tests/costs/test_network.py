"""Networks of published cells against exact reference counts, and of random cells against closed forms."""

import json
import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftso_cli.costs.conventions import multiply_adds
from ftso_cli.costs.network import NetworkCost, network_cost
from ftso_cli.errors import GenotypeError, SettingsError, SpaceError
from ftso_cli.genotype import FORMAT, Cell, Edge, Genotype, edit, library
from ftso_cli.spaces.darts import CIFAR, IMAGENET, NetworkShape
from tests.costs.test_layers import closed_form
from tests.strategies import genotypes

REFERENCE = Path(__file__).parents[3] / "shared" / "reference" / "genotypes.json"
SETTINGS = {"cifar10": (CIFAR, (32, 32)), "imagenet": (IMAGENET, (224, 224))}

EXACT = {
    # name: CIFAR-10 parameters, with auxiliary head, MACs; ImageNet parameters, with auxiliary head, MACs
    "nasnet_a": (3_830_950, 4_288_944, 603_452_448, 5_564_320, 6_800_520, 604_031_616),
    "amoebanet_a": (3_145_078, 3_603_072, 488_931_552, 4_627_360, 5_863_560, 526_746_624),
    "enas": (3_859_894, 4_317_888, 605_719_584, 5_625_952, 6_862_152, 608_152_320),
    "darts_v1": (3_169_414, 3_645_840, 500_987_520, 4_510_432, 5_771_208, 505_864_704),
    "darts_v2": (3_349_342, 3_825_768, 528_359_040, 4_718_752, 5_979_528, 529_911_552),
    "bayesnas_0.01": (2_453_158, 2_929_584, 389_179_008, 3_805_600, 5_066_376, 414_795_264),
    "pdarts": (3_433_798, 3_910_224, 532_174_464, 4_944_352, 6_205_128, 542_819_328),
    "pc_darts_cifar": (3_634_678, 4_111_104, 556_670_592, 5_270_560, 6_531_336, 571_137_408),
    "pc_darts_image": (3_721_510, 4_197_936, 570_466_944, 5_342_464, 6_603_240, 581_627_328),
    "fairdarts_c": (2_598_814, 3_075_240, 399_987_936, 3_859_264, 5_120_040, 428_084_928),
    "ftso_wide_sep3": (4_701_718, 5_178_144, 711_665_280, 6_548_320, 7_809_096, 712_012_800),
    "ftso_deep_sep3": (4_701_718, 5_178_144, 711_665_280, 6_548_320, 7_809_096, 712_012_800),
}
"""Counted on networks built from the published genotypes by their authors' code."""

MORE_PARAMS = {
    ("snas_mild", "cifar10"): 2_661_382,
    ("snas_mild", "imagenet"): 3_939_328,
    ("snas_moderate", "cifar10"): 2_847_358,
    ("snas_aggressive", "cifar10"): 2_313_622,
    ("drnas_cifar10", "cifar10"): 4_099_294,
    ("drnas_imagenet", "imagenet"): 5_726_368,
    ("darts_pt_s5_0", "cifar10"): 2_851_246,
    ("mdenas", "cifar10"): 3_783_286,
    ("gdas_v1", "cifar10"): 3_368_782,
}
MORE_MACS = {
    ("snas_mild", "imagenet"): 438_042_432,
    ("mdenas", "cifar10"): 599_110_272,
    ("gdas_v1", "cifar10"): 519_428_736,
}
BN_RELU = {
    # name: batch-norm outputs and ReLU outputs on ImageNet, and the figure that the authors publish, in millions
    "pdarts": (4_101_888, 6_096_384, 557),
    "pc_darts_cifar": (4_271_232, 6_265_728, 586),
    "pc_darts_image": (4_478_208, 6_472_704, 597),
}


def cost_of(name: str, setting: str) -> NetworkCost:
    return network_cost(library.load_genotype(name), *SETTINGS[setting])


@pytest.mark.parametrize("name", EXACT)
def test_published_cells_cost_exactly_what_their_built_networks_do(name: str) -> None:
    costs = [cost_of(name, setting) for setting in SETTINGS]
    counts = [(cost.params, cost.params_with_auxiliary, cost.macs) for cost in costs]
    assert (*counts[0], *counts[1]) == EXACT[name]


@pytest.mark.parametrize(("name", "setting"), MORE_PARAMS)
def test_more_published_cells_have_exactly_these_parameters(name: str, setting: str) -> None:
    assert cost_of(name, setting).params == MORE_PARAMS[name, setting]


@pytest.mark.parametrize(("name", "setting"), MORE_MACS)
def test_more_published_cells_have_exactly_these_macs(name: str, setting: str) -> None:
    assert cost_of(name, setting).macs == MORE_MACS[name, setting]


@pytest.mark.skipif(not REFERENCE.exists(), reason=f"no {REFERENCE.name} beside this checkout")
def test_every_reference_count_is_met() -> None:
    records: dict[str, Any] = json.loads(REFERENCE.read_text())
    published = {name: record for name, record in records.items() if library.published_name(name)}
    checked = 0
    for name, record in published.items():
        for setting in SETTINGS.keys() & record.keys():
            cost, expected = cost_of(name, setting), record[setting]
            assert cost.params == expected["params"], (name, setting)
            assert cost.params_with_auxiliary == expected["params_with_aux"], (name, setting)
            assert cost.macs == expected["macs"], (name, setting)
            checked += 1
    assert checked >= 20


@pytest.mark.parametrize("name", BN_RELU)
def test_published_imagenet_figures_count_batch_norm_twice_and_relu_once(name: str) -> None:
    cost = cost_of(name, "imagenet")
    bn_outputs, relu_outputs, published = BN_RELU[name]
    assert (cost.bn_outputs, cost.relu_outputs) == (bn_outputs, relu_outputs)
    counted = multiply_adds(cost.total, "bn-relu")
    assert counted == cost.macs + 2 * bn_outputs + relu_outputs
    assert round(counted / 1e6) == published


@pytest.mark.parametrize(("name", "millions"), [("darts_v2", 543.99), ("snas_mild", 449.04)])
def test_the_same_rule_leaves_two_published_figures_unexplained(name: str, millions: float) -> None:
    assert round(multiply_adds(cost_of(name, "imagenet").total, "bn-relu") / 1e6, 2) == millions


def test_bias_adds_one_for_each_class() -> None:
    cost = cost_of("darts_v2", "imagenet")
    assert multiply_adds(cost.total, "bias") == cost.macs + 1000
    assert multiply_adds(cost.total, "conv-linear") == cost.macs


def test_an_unknown_convention_is_refused() -> None:
    with pytest.raises(SettingsError, match="unknown convention 'bn_relu', did you mean bn-relu"):
        multiply_adds(cost_of("darts_v2", "cifar10").total, "bn_relu")


def test_the_auxiliary_head_of_four_node_cells_costs_what_the_literature_counts() -> None:
    cifar, imagenet = (cost_of("darts_v2", setting) for setting in SETTINGS)
    assert (cifar.auxiliary.params, cifar.auxiliary_macs) == (476_426, 695_808)
    assert (imagenet.auxiliary.params, imagenet.auxiliary_macs) == (1_260_776, 1_554_432)


def test_stages_say_where_everything_is() -> None:
    cost = cost_of("pc_darts_cifar", "imagenet")
    names = [stage.name for stage in cost.stages]
    assert names == ["stem 0", "stem 1", *(f"cell {index}" for index in range(14)), "classifier"]
    assert [stage.name for stage in cost.stages if stage.kind == "reduce"] == ["cell 4", "cell 9"]
    sizes = {stage.kind: tuple(stage.output) for stage in cost.stages}
    assert sizes == {"stem": (48, 28, 28), "normal": (768, 7, 7), "reduce": (768, 7, 7), "classifier": (1000, 1, 1)}
    assert sum(stage.params for stage in cost.stages) == cost.params
    assert sum(stage.macs for stage in cost.stages) == cost.macs


def one_node(op: str, concat: tuple[int, ...] = (2,)) -> dict[str, Cell]:
    """Cells of one node that reads both inputs through `op`."""
    edges = tuple(Edge(source=source, target=2, op=op) for source in (0, 1))
    return {"normal": Cell(edges=edges, concat=concat), "reduce": Cell(edges=edges, concat=(2,))}


def complete(cells: dict[str, Cell]) -> Genotype:
    return Genotype(format=FORMAT, space="darts", stage="complete", cells=cells)


def test_a_tiny_network_agrees_with_a_count_by_hand() -> None:
    cost = network_cost(complete(one_node("skip_connect")), NetworkShape(channels=4, cells=1, classes=5), (7, 7))
    # Stem 3→12 at 7x7; one reduction cell of 8 channels: two 1x1 preprocessing convolutions 12→8 at 7x7, two
    # factorized reduces 8→8 at 4x4; classifier 8→5.
    assert cost.params == (27 * 12 + 24) + 2 * (12 * 8 + 16) + 2 * (64 + 16) + (40 + 5)
    assert cost.macs == 27 * 12 * 49 + 2 * 12 * 8 * 49 + 2 * 64 * 16 + 40
    assert cost.bn_outputs == 12 * 49 + 2 * 8 * 49 + 2 * 8 * 16
    assert cost.relu_outputs == 2 * 12 * 49 + 2 * 8 * 49
    assert cost.bias_outputs == 5
    # The head: 1x1 convolution 8→128 at 2x2 and its batch norm, 2x2 convolution to 768 and its, 768→5.
    assert cost.auxiliary.params == 1024 + 256 + 393_216 + 1536 + 768 * 5 + 5
    assert cost.auxiliary_macs == 1024 * 4 + 393_216 + 768 * 5


def test_edges_that_pruning_took_out_cost_nothing() -> None:
    cells = one_node("sep_conv_3x3")
    lean = network_cost(complete(cells), CIFAR, (32, 32))
    pruned = Edge(source=1, target=2, op="sep_conv_5x5", kept=False)
    full = {kind: Cell(edges=(*cell.edges, pruned), concat=cell.concat) for kind, cell in cells.items()}
    assert network_cost(complete(full), CIFAR, (32, 32)) == lean


def test_parallel_edges_are_each_counted() -> None:
    once, twice = one_node("dil_conv_3x3"), one_node("dil_conv_3x3")
    twice["normal"] = Cell(edges=twice["normal"].edges * 2, concat=(2,))
    one, two = (network_cost(complete(cells), CIFAR, (32, 32)) for cells in (once, twice))
    assert two.stages[1].edges == one.stages[1].edges * 2


def test_an_input_can_be_part_of_the_output() -> None:
    narrow = network_cost(complete(one_node("max_pool_3x3")), NetworkShape(cells=3), (32, 32))
    wide = network_cost(complete(one_node("max_pool_3x3", (0, 2))), NetworkShape(cells=3), (32, 32))
    assert narrow.stages[1].output == (36, 32, 32)
    assert wide.stages[1].output == (72, 32, 32)


def expected(genotype: Genotype, shape: NetworkShape, size: tuple[int, int]) -> tuple[int, int]:
    """Parameters and MACs by closed forms, cell by cell; knows nothing of layers and skeletons."""
    (rows, columns), width, image = size, shape.channels, shape.image_channels
    if shape.stem == "cifar":
        last = before_last = 3 * width
        params, macs = 27 * image * width + 6 * width, 27 * image * width * rows * columns
    elif shape.stem.startswith("pooled"):
        last = before_last = width
        if shape.stem == "pooled-quarter":
            rows, columns = math.ceil(rows / 2), math.ceil(columns / 2)
        both = 9 * image * width // 2 + 9 * width // 2 * width
        params, macs = both + 3 * width, both * rows * columns
        rows, columns = math.ceil(rows / 2), math.ceil(columns / 2)
    else:
        last = before_last = width
        widths = {
            "half": (image, width),
            "quarter": (image, width // 2, width),
            "imagenet": (image, width // 2, width, width),
        }[shape.stem]
        params = macs = 0
        for inputs, outputs in pairwise(widths):
            rows, columns = math.ceil(rows / 2), math.ceil(columns / 2)
            params += 9 * inputs * outputs + 2 * outputs
            macs += 9 * inputs * outputs * rows * columns
    for index in range(shape.cells):
        kind = "reduce" if index in (shape.cells // 3, 2 * shape.cells // 3) else "normal"
        width *= 2 if kind == "reduce" else 1
        params += (before_last + last) * width + 4 * width
        macs += (before_last + last) * width * rows * columns
        small = (math.ceil(rows / 2), math.ceil(columns / 2)) if kind == "reduce" else (rows, columns)
        for edge in genotype.cells[kind].kept:
            strided = kind == "reduce" and edge.source < 2
            at = (rows, columns) if edge.source < 2 else small
            more = closed_form(edge.op or "", width, 2 if strided else 1, *at)
            params, macs = params + more[0], macs + more[1]
        rows, columns = small
        before_last, last = last, len(genotype.cells[kind].concat) * width
    return params + last * shape.classes + shape.classes, macs + last * shape.classes


@settings(max_examples=60)
@given(
    genotypes("complete", history=False),
    st.builds(
        NetworkShape,
        channels=st.integers(1, 40).map(lambda half: 2 * half),
        cells=st.integers(1, 21),
        classes=st.integers(1, 200),
        image_channels=st.integers(1, 4),
        stem=st.sampled_from(["cifar", "half", "pooled", "quarter", "pooled-quarter", "imagenet"]),
    ),
    st.tuples(st.integers(1, 70), st.integers(1, 70)),
)
def test_networks_of_random_cells_agree_with_closed_forms(
    genotype: Genotype, shape: NetworkShape, size: tuple[int, int]
) -> None:
    cost = network_cost(genotype, shape, size)
    assert (cost.params, cost.macs) == expected(genotype, shape, size)


def test_a_topology_without_operators_is_refused(searched: Genotype) -> None:
    with pytest.raises(GenotypeError, match="is not pruned, which cost needs; run: ftso prune"):
        network_cost(searched, CIFAR, (32, 32))


def test_a_pruned_topology_costs_what_its_operator_makes_of_it(searched: Genotype) -> None:
    wiring, _ = edit.keep_strongest(searched)
    # Two edges of sep_conv_3x3 into each of four nodes cost the same whatever the wiring.
    cost = network_cost(edit.assign_operator(wiring, "sep_conv_3x3"), IMAGENET, (224, 224))
    assert (cost.params, cost.macs) == (6_548_320, 712_012_800)


@pytest.mark.parametrize("size", [(0, 32), (32, -1)])
def test_an_image_without_pixels_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(SpaceError, match=f"at least 1x1, not {size[0]}x{size[1]}"):
        network_cost(complete(one_node("skip_connect")), CIFAR, size)
