"""Networks of the nats space against the records that the benchmark publishes, exactly."""

import pytest
from hypothesis import given

from ftso_cli.costs.conventions import multiply_adds
from ftso_cli.costs.network import NetworkCost, network_cost
from ftso_cli.genotype import Genotype
from ftso_cli.spaces.nats import DATA_SETS
from tests.nats import FTSO, STRINGS, genotype, uniform

RECORDS = {
    # Parameters and flops in millions on CIFAR-10, CIFAR-100 and ImageNet16-120, from the benchmark's files.
    "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|": (
        (0.129306, 15.64737),
        (0.135156, 15.65322),
        (0.136456, 3.91948),
    ),
    "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|none~0|nor_conv_3x3~1|avg_pool_3x3~2|": (
        (0.802426, 113.95137),
        (0.808276, 113.95722),
        (0.809576, 28.49548),
    ),
    "|skip_connect~0|+|skip_connect~0|skip_connect~1|+|none~0|nor_conv_1x1~1|none~2|": (
        (0.101306, 11.71521),
        (0.107156, 11.72106),
        (0.108456, 2.93644),
    ),
}


def costs(cell: Genotype) -> list[NetworkCost]:
    """The costs on the three data sets."""
    return [network_cost(cell, one.shape, (one.pixels, one.pixels)) for one in DATA_SETS.values()]


@pytest.mark.parametrize(("architecture", "records"), RECORDS.items())
def test_costs_equal_the_benchmarks_records(architecture: str, records: tuple[tuple[float, float], ...]) -> None:
    for cost, (params, flops) in zip(costs(genotype(architecture)), records, strict=True):
        assert cost.params == round(params * 1e6)
        assert multiply_adds(cost.total, "bias") == round(flops * 1e6)


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        (genotype(FTSO), (1_316_506, 188_662_400)),
        (uniform("nor_conv_3x3"), (1_531_546, 220_119_680)),
        (uniform("none"), (73_306, 7_783_040)),
        (uniform("skip_connect"), (73_306, 7_783_040)),
    ],
    ids=["ftso", "nor_conv_3x3", "none", "skip_connect"],
)
def test_cells_have_their_known_parameters_and_macs(cell: Genotype, expected: tuple[int, int]) -> None:
    cost = costs(cell)[0]
    assert (cost.params, cost.macs) == expected


@given(STRINGS)
def test_every_convolution_adds_its_share_and_nothing_else_costs(architecture: str) -> None:
    wide, narrow = architecture.count("nor_conv_3x3"), architecture.count("nor_conv_1x1")
    cifar10, cifar100, imagenet = costs(genotype(architecture))
    assert cifar10.params == 73_306 + wide * 243_040 + narrow * 28_000
    assert cifar10.macs == 7_783_040 + wide * 35_389_440 + narrow * 3_932_160
    assert cifar100.macs == 7_788_800 + wide * 35_389_440 + narrow * 3_932_160
    assert imagenet.macs == 1_953_280 + wide * 8_847_360 + narrow * 983_040
    assert multiply_adds(imagenet.total, "bias") == imagenet.macs + 120


def test_a_residual_block_is_counted_with_the_cell_behind_it() -> None:
    stages = {stage.name: stage for stage in costs(uniform("none"))[0].stages}
    assert [name for name, stage in stages.items() if stage.params] == ["stem", "cell 5", "cell 10", "classifier"]
    assert stages["cell 5"].params == 56 * 16**2 + 8 * 16
    assert costs(uniform("none"))[0].auxiliary is None
