"""What history keeps of limits, whatever the search."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from ftso_cli.settings.requests.search import SearchBaseline
from ftso_cli.settings.requests.search_ops import SearchOperators

RECORDED: Mapping[str, Callable[..., dict[str, Any]]] = {
    "search by gradient": lambda **limits: SearchBaseline(method="gdas", **limits).settings.recorded(),
    "search by evaluation": lambda **limits: SearchBaseline(method="pnas", **limits).settings.recorded(),
    "operators by gradient": lambda **limits: SearchOperators(cell="x", **limits).settings("darts").recorded(),
    "operators by capacity": lambda **limits: (
        SearchOperators(cell="x", strategy="capacity", **limits).capacity("darts").recorded()
    ),
}


@pytest.mark.parametrize("name", RECORDED)
def test_history_names_the_network_of_limits_where_there_is_one(name: str) -> None:
    recorded = RECORDED[name]
    assert "setting" not in recorded()
    for limit in ({"fit_macs": "30M"}, {"fit_params": "4M"}, {"fit_latency": "40ms"}):
        assert recorded(**limit)["setting"] == "cifar"
