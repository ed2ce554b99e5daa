"""The table of operations, and the estimate of a network's latency from it."""

from pathlib import Path

import pytest
import torch

from ftso_cli.genotype import library
from ftso_cli.nn.latency import LatencyTable
from ftso_cli.spaces.darts import NetworkShape

CPU = torch.device("cpu")
SHAPE = NetworkShape(channels=4, cells=3)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FTSO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_an_estimate_is_the_sum_over_the_operations_and_these_are_kept(cache: Path) -> None:
    table = LatencyTable(CPU)
    found = table.estimate(library.load_genotype("ftso_block"), SHAPE, (8, 8))
    assert found.milliseconds == pytest.approx(sum(row.calls * row.time.milliseconds for row in found.rows))
    convolutions = [row for row in found.rows if row.name.startswith("Conv2d")]
    # The stem; in each of three cells what it makes of its input, and two.
    assert sum(row.calls for row in convolutions) == 1 + 3 * 3
    assert {row.name for row in found.rows} == table.times.keys()
    table.save()
    assert LatencyTable(CPU).times == table.times
    assert LatencyTable(CPU).estimate(library.load_genotype("ftso_block"), SHAPE, (8, 8)) == found


def test_a_wider_network_has_other_operations_and_shares_what_is_alike(cache: Path) -> None:
    table = LatencyTable(CPU)
    table.estimate(library.load_genotype("ftso_block"), SHAPE, (8, 8))
    before = dict(table.times)
    table.estimate(library.load_genotype("ftso_residual"), SHAPE, (8, 8))
    assert before.items() < table.times.items()


@pytest.mark.parametrize(
    "content", [b"", b"{", b'{"format":"ftso-latency/1","about":{},"times":{"x":{"milliseconds":-1}}}']
)
def test_a_damaged_table_is_measured_anew(content: bytes, cache: Path) -> None:
    table = LatencyTable(CPU)
    table.estimate(library.load_genotype("ftso_block"), SHAPE, (8, 8))
    table.save()
    (file,) = (cache / "latency").glob("*.json")
    file.write_bytes(content)
    assert LatencyTable(CPU).times == {}
