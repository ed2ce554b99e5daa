"""A limit on what the network of a found cell may cost."""

from dataclasses import dataclass

from ftso_cli.costs.conventions import multiply_adds
from ftso_cli.costs.fit import over_budget
from ftso_cli.costs.network import NetworkCost, network_cost
from ftso_cli.costs.networks import preset
from ftso_cli.genotype import Genotype
from ftso_cli.settings.limits import Limited
from ftso_cli.spaces import SPACES


@dataclass(frozen=True, kw_only=True)
class Limit:
    """The most MACs and trainable parameters that a cell's network may have in a setting of its space."""

    macs: int | None = None
    params: int | None = None
    setting: str = "cifar"

    def __bool__(self) -> bool:
        """True where anything is limited."""
        return self.macs is not None or self.params is not None

    def excess(self, genotype: Genotype) -> float:
        """Return the cost of a complete genotype as a share of the limit, the larger of MACs and parameters."""
        cost = self._cost(genotype)
        limits = ((multiply_adds(cost.total, SPACES[genotype.space].convention), self.macs), (cost.params, self.params))
        return max((has / most for has, most in limits if most is not None), default=0.0)

    def allows(self, genotype: Genotype) -> bool:
        """Return True where the network of a complete genotype keeps to the limit."""
        return self.excess(genotype) <= 1

    def refusal(self, genotype: Genotype) -> str:
        """Return what to say where even this cell, the cheapest, is over the limit."""
        over = over_budget(self._cost(genotype), self.macs, self.params, SPACES[genotype.space].convention)
        return f"no cell fits: the cheapest has {over} in the {self.setting} network; allow more"

    def _cost(self, genotype: Genotype) -> NetworkCost:
        shape, pixels = preset(genotype.space, self.setting)
        return network_cost(genotype, shape, (pixels, pixels))


NO_LIMIT = Limit()


def limit_of(settings: Limited) -> Limit:
    """The limit that a search keeps its cells to."""
    return Limit(macs=settings.fit_macs, params=settings.fit_params, setting=settings.setting)
