"""The searches that are compared in the nats space, each on a small super-net. None of them sees the table."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, get_args

import torch

from ftso_cli.data import ImageData
from ftso_cli.genotype import Genotype
from ftso_cli.genotype.edit import assign_operator, keep_strongest
from ftso_cli.search import phases
from ftso_cli.search.joint import joint
from ftso_cli.search.operators.capacity import capacity_search
from ftso_cli.settings.capacity import CapacitySettings
from ftso_cli.settings.methods import METHODS, on_choices
from ftso_cli.settings.searches import OPERATORS, TOPOLOGY, ByGradient, Method, in_space
from ftso_cli.spaces import NATS

SMALL: Mapping[str, Any] = {"space": NATS.name, **in_space(NATS.name), "channels": 8}
"""A cell a stage, of 8, 16 and 32 channels; the rest is what each method has by itself."""

Run = Callable[[ImageData, int, int, torch.device], Genotype]
"""From images, a seed, a number of iterations and a device to a complete cell."""


def _wiring(data: ImageData, seed: int, device: torch.device) -> Genotype:
    """The first phase of FTSO: one iteration, for in this space all edges are kept whatever it finds."""
    settings = replace(TOPOLOGY, **SMALL, iters=1)
    found = phases.run_topology_search(data, settings, seed=seed, device=device, on_iteration=lambda progress: None)
    return keep_strongest(found)[0]


def _assigned(data: ImageData, seed: int, iters: int, device: torch.device) -> Genotype:
    return assign_operator(_wiring(data, seed, device), NATS.default_operator)


def _by_gradient(method: Method | None, data: ImageData, seed: int, iters: int, device: torch.device) -> Genotype:
    own = {name: value for name, value in SMALL.items() if name not in ("space", "nodes")}
    settings = replace(OPERATORS, **{**own, **on_choices(method), "ops": NATS.candidates, "iters": iters})
    wiring = _wiring(data, seed, device)
    return phases.run_operator_search(
        wiring, data, settings, seed=seed, device=device, on_iteration=lambda progress: None
    )


def _by_capacity(data: ImageData, seed: int, iters: int, device: torch.device) -> Genotype:
    settings = CapacitySettings(ops=NATS.candidates)
    wiring = _wiring(data, seed, device)
    search, _ = capacity_search(wiring, data, settings, seed=seed, device=device)
    return search.run(lambda progress: None)


def _halving(data: ImageData, seed: int, iters: int, device: torch.device) -> Genotype:
    settings = replace(METHODS["halving"], space=NATS.name, nodes=NATS.nodes, ops=NATS.candidates)
    return joint(data, settings, seed=seed, device=device).run(lambda progress: None)


def _joint(method: Method, data: ImageData, seed: int, iters: int, device: torch.device) -> Genotype:
    # How many channels pass the operators is the method's own affair.
    small = {name: value for name, value in SMALL.items() if name != "partial"}
    published: Any = METHODS[method]
    settings = replace(published, **small, ops=NATS.candidates, iters=iters)
    return joint(data, settings, seed=seed, device=device).run(lambda progress: None)


RUNS: Mapping[str, Run] = {
    "assign-ops": _assigned,
    "search-ops": partial(_by_gradient, None),
    **{f"search-ops-{method}": partial(_by_gradient, method) for method in get_args(ByGradient)},
    "capacity": _by_capacity,
    **{method: partial(_joint, method) for method in get_args(ByGradient)},
    "halving": _halving,
}
"""assign-ops, search-ops and capacity are FTSO with each way to choose the operators. search-ops-gdas and the like
search the operators by another method than the paper's."""
