"""A limit on what the network of a found cell may cost."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from ftso_cli.costs.conventions import multiply_adds
from ftso_cli.costs.fit import over_budget
from ftso_cli.costs.network import NetworkCost, network_cost
from ftso_cli.costs.networks import preset
from ftso_cli.genotype import Genotype
from ftso_cli.nn.latency import LatencyTable
from ftso_cli.processes import check_alone
from ftso_cli.search.latencies import NetworkLatencies
from ftso_cli.settings.limits import Limited
from ftso_cli.spaces import SPACES, Space


@dataclass(frozen=True, kw_only=True)
class CellCost:
    """The parameters of a cell's network, its MACs of an image, and its milliseconds where they are known."""

    params: int
    macs: int
    milliseconds: float | None


@dataclass(frozen=True, kw_only=True)
class Limit:
    """The most MACs and trainable parameters that a cell's network may have in a setting of its space.

    And the most milliseconds that it may take for an image, by the `latencies` of a device.
    """

    macs: int | None = None
    params: int | None = None
    milliseconds: float | None = None
    setting: str = "cifar"
    latencies: NetworkLatencies | None = None

    def __bool__(self) -> bool:
        """True where anything is limited."""
        return self.macs is not None or self.params is not None or self.milliseconds is not None

    def cost(self, genotype: Genotype) -> CellCost:
        """Return what the network of a complete genotype costs; raises `SettingsError` where the space lacks it."""
        counted, milliseconds = self._counted(genotype), None
        if self.latencies is not None:
            milliseconds = self.latencies.of(genotype).milliseconds
        macs = multiply_adds(counted.total, SPACES[genotype.space].convention)
        return CellCost(params=counted.params, macs=macs, milliseconds=milliseconds)

    def share(self, cost: CellCost) -> float:
        """Return a cost as a share of the limit, the largest of all that is limited."""
        limits = ((cost.macs, self.macs), (cost.params, self.params), (cost.milliseconds, self.milliseconds))
        return max((has / most for has, most in limits if has is not None and most is not None), default=0.0)

    def excess(self, genotype: Genotype) -> float:
        """Return what the network of a complete genotype costs as a share of the limit; 0 where nothing is limited."""
        return self.share(self.cost(genotype)) if self else 0.0

    def allows(self, genotype: Genotype) -> bool:
        """Return True where the network of a complete genotype keeps to the limit."""
        return self.excess(genotype) <= 1

    def refusal(self, genotype: Genotype) -> str:
        """Return what to say where even this cell, the cheapest, is over the limit."""
        over = over_budget(self._counted(genotype), self.macs, self.params, SPACES[genotype.space].convention)
        over = f"the cheapest has {over}" if over else f"the fastest takes {self._slow(genotype)}"
        return f"no cell fits: {over} in the {self.setting} network; raise {self._flags(genotype)}"

    def _flags(self, genotype: Genotype) -> str:
        """Return the options of what this cell is over."""
        counted, convention = self._counted(genotype), SPACES[genotype.space].convention
        over = {"--fit-macs": (self.macs, None), "--fit-params": (None, self.params)}
        flags = [flag for flag, (macs, params) in over.items() if over_budget(counted, macs, params, convention)]
        return " and ".join(flags or ["--fit-latency"])

    def _slow(self, genotype: Genotype) -> str:
        return f"{self.cost(genotype).milliseconds:.3g} ms, more than {self.milliseconds:.3g} ms"

    def remark(self, genotype: Genotype) -> str:
        """Return the remark of history on the latency of a found cell, "" where it is not limited."""
        if self.latencies is None:
            return ""
        found, about = self.latencies.of(genotype), self.latencies.table.about
        threads = f"{about['threads']} thread{'s' * (about['threads'] != '1')}"
        return (
            f"the {self.setting} network takes {found.milliseconds:.3g} ms an image (spread {found.spread:.2g} ms), "
            f"the sum over its operations as they were timed on {about['device']}, {threads}, torch {about['torch']}"
        )

    def times(self) -> dict[str, list[float]]:
        """Return the times of all operations that decided so far, for a checkpoint."""
        return {} if self.latencies is None else self.latencies.known()

    def take(self, times: Mapping[str, list[float]] | None = None) -> None:
        """Go by the times of a checkpoint, whatever they are here; raises `ValueError` for what are none."""
        if self.latencies is not None and times:
            self.latencies.go_by(times)

    def _counted(self, genotype: Genotype) -> NetworkCost:
        shape, pixels = preset(genotype.space, self.setting)
        return network_cost(genotype, shape, (pixels, pixels))


NO_LIMIT = Limit()


def limit_of(settings: Limited, space: Space, device: torch.device) -> Limit:
    """The limit that a search in a space keeps its cells to; latencies are those of the device."""
    latencies = None
    if settings.fit_latency is not None:
        check_alone("a limit of latency is one of a single process")
        latencies = NetworkLatencies(LatencyTable(device), space, preset(space.name, settings.setting))
    return Limit(
        macs=settings.fit_macs,
        params=settings.fit_params,
        milliseconds=settings.most_milliseconds,
        setting=settings.setting,
        latencies=latencies,
    )
