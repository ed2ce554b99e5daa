"""The widest network of a genotype within a budget of MACs or parameters."""

from collections.abc import Callable
from dataclasses import replace

from ftso_cli.costs.conventions import multiply_adds
from ftso_cli.costs.network import NetworkCost, network_cost
from ftso_cli.errors import SettingsError
from ftso_cli.genotype import Genotype
from ftso_cli.spaces.darts import NetworkShape


def fit_channels(
    genotype: Genotype,
    shape: NetworkShape,
    image_size: tuple[int, int],
    *,
    macs: int | None = None,
    params: int | None = None,
    convention: str = "conv-linear",
) -> NetworkShape:
    """`shape` with the most channels that keep to `macs` (by `convention`) and to `params` (no auxiliary head).

    Some stems take even numbers only. Raises `SettingsError` where the narrowest network is over budget.
    """
    step = shape.step

    def at(steps: int) -> NetworkCost:
        return network_cost(genotype, replace(shape, channels=steps * step), image_size)

    def fits(steps: int) -> bool:
        return not over_budget(at(steps), macs, params, convention)

    if over := over_budget(at(1), macs, params, convention):
        channels = "1 channel" if step == 1 else f"{step} channels"
        raise SettingsError(f"nothing fits: even with {channels} it has {over}; allow more, or take fewer cells")
    return replace(shape, channels=_largest(fits) * step)


def over_budget(cost: NetworkCost, macs: int | None, params: int | None, convention: str) -> str | None:
    """Return the part of `cost` that is over budget, or None."""
    if macs is not None and (given := multiply_adds(cost.total, convention)) > macs:
        return f"{given:,} MACs, more than {macs:,}"
    if params is not None and cost.params > params:
        return f"{cost.params:,} parameters, more than {params:,}"
    return None


def _largest(fits: Callable[[int], bool]) -> int:
    """The largest number that fits, where 1 does and everything grows: double, then bisect."""
    low, high = 1, 2
    while fits(high):
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low
