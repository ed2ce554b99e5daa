"""What all tests share: hypothesis without a clock or a database, and a small searched genotype to work on."""

import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from ftso_cli.genotype import FORMAT, Cell, Edge, Genotype, storage

# Several tests run beside each other, and sums are the same to the last bit with as many threads only.
os.environ["OMP_NUM_THREADS"] = "1"

# A shared machine is slow now and then: an example that takes long is no failure.
settings.register_profile(
    "ftso",
    max_examples=30,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("ftso")


def pytest_collection_finish() -> None:
    """Spares the garbage collector all that was imported, which it would go through again and again."""
    gc.collect()
    gc.freeze()


def pytest_runtest_setup() -> None:
    """Numbers that torch draws without a generator are the same in every order of the tests."""
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


pytest_runtest_call = pytest_runtest_setup


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests, and the processes that they start, keep away from the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FTSO_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def searched_cell(betas: dict[int, list[float]]) -> Cell:
    """A skip-only cell as a topology search leaves it: `betas[node]` are the β of the edges from nodes 0, 1, 2, ..."""
    edges = [
        Edge(source=source, target=node, op="skip_connect", beta=beta)
        for node, row in betas.items()
        for source, beta in enumerate(row)
    ]
    return Cell(edges=tuple(edges), concat=tuple(betas))


def searched_genotype() -> Genotype:
    """A searched genotype of four nodes a cell, without ties, whose two cells differ."""
    normal = {2: [0.1, 0.2], 3: [0.3, -0.1, 0.2], 4: [0.0, 0.4, 0.5, -0.3], 5: [0.9, 0.1, 0.2, 0.3, 0.8]}
    reduce = {2: [0.2, 0.1], 3: [-0.3, 0.1, 0.2], 4: [0.6, 0.4, 0.5, 0.3], 5: [0.0, 0.1, 0.2, 0.3, 0.4]}
    return Genotype(
        format=FORMAT,
        space="darts",
        stage="searched",
        searched_ops=("skip_connect",),
        cells={"normal": searched_cell(normal), "reduce": searched_cell(reduce)},
    )


@pytest.fixture
def searched() -> Genotype:
    """The searched genotype."""
    return searched_genotype()


@pytest.fixture
def searched_file(searched: Genotype, tmp_path: Path) -> Path:
    """`searched` in a file."""
    path = tmp_path / "cell.json"
    storage.write_genotype(searched, path)
    return path
