"""The evaluation networks of the papers, by space and data set, and a counted one."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ftso_cli.costs.conventions import multiply_adds
from ftso_cli.costs.fit import fit_channels
from ftso_cli.costs.network import MOBILE_MACS, NetworkCost, network_cost
from ftso_cli.errors import SettingsError, unknown
from ftso_cli.genotype import Genotype
from ftso_cli.spaces import SPACES
from ftso_cli.spaces.darts import Evaluation, NetworkShape


def preset(space: str, setting: str) -> Evaluation:
    """The shape and the image size of a setting; raises `SettingsError` for one that the space hasn't got."""
    evaluations = SPACES[space].evaluations
    if not any(setting in each.evaluations for each in SPACES.values()):
        raise SettingsError(unknown("setting", setting, evaluations))
    if setting not in evaluations:
        raise SettingsError(f"the {space} space has no setting {setting}; it has {', '.join(evaluations)}")
    return evaluations[setting]


@dataclass(frozen=True, kw_only=True)
class CountedNetwork:
    """A counted network: the cell as the user named it, its space and shape, the image in pixels (height, width)."""

    name: str
    space: str
    shape: NetworkShape
    image_size: tuple[int, int]
    cost: NetworkCost

    @property
    def params(self) -> int:
        """Trainable parameters, the auxiliary head left out."""
        return self.cost.params

    @property
    def macs(self) -> int:
        """Multiply-accumulates of convolutions and linear layers for one image."""
        return self.cost.macs

    def multiply_adds(self, convention: str = "conv-linear") -> int:
        """Return a convention's count for one image: conv-linear, bn-relu or bias (`ftso_cli.costs.conventions`)."""
        return multiply_adds(self.cost.total, convention)

    @property
    def above_mobile(self) -> bool:
        """True for a network of the ImageNet setting with more than the mobile setting's 600M MACs."""
        return self.shape.stem == "imagenet" and self.cost.macs > MOBILE_MACS

    @property
    def title(self) -> str:
        """The settings that all networks of one call share."""
        image = "×".join(map(str, (self.shape.image_channels, *self.image_size)))
        return f"{self.shape.cells} cells, images {image}, {self.shape.classes} classes"


def count_network(
    genotype: Genotype,
    name: str,
    *,
    setting: str,
    changes: Mapping[str, Any],
    image_size: tuple[int, int] | None,
    macs: int | None,
    params: int | None,
    convention: str,
    own: tuple[NetworkShape, tuple[int, int]] | None = None,
    auxiliary: bool = True,
) -> CountedNetwork:
    """The network of a complete genotype called `name`: that of a setting with changes, as wide as a budget allows.

    `image_size` is (height, width). `own` takes the place of the setting: the shape and image size of a network that
    was trained, which has an `auxiliary` head or none. Raises `SettingsError` where the space hasn't got the setting or
    nothing fits.
    """
    if own is None:
        usual, pixels = preset(genotype.space, setting)
        own = usual, (pixels, pixels)
    usual, known = own
    size = image_size or known
    shape = replace(usual, **changes)
    if macs is not None or params is not None:
        shape = fit_channels(genotype, shape, size, macs=macs, params=params, convention=convention)
    cost = network_cost(genotype, shape, size, auxiliary=auxiliary)
    return CountedNetwork(name=name, space=genotype.space, shape=shape, image_size=size, cost=cost)
