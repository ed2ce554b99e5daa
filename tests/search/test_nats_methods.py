"""The searches of Table 2, in the nats space."""

import pytest

from ftso_cli.search.nats_methods import RUNS
from tests.search.searches import CPU, digits


@pytest.mark.parametrize("method", ["darts-1st", "darts-2nd", "snas"])
def test_after_a_topology_that_keeps_all_edges_a_method_without_beta_is_the_same_search(method: str) -> None:
    alone, after = (RUNS[name](digits(), 1, 3, CPU).cells["cell"].edges for name in (method, f"search-ops-{method}"))
    assert [(edge.source, edge.target, edge.op, edge.alpha) for edge in alone] == [
        (edge.source, edge.target, edge.op, edge.alpha) for edge in after
    ]
    assert all(edge.alpha for edge in alone)
