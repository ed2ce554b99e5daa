"""Limits on a network: the most channels are chosen within them, or cells that keep to them. No torch."""

from dataclasses import KW_ONLY
from typing import Annotated

from pydantic import BeforeValidator

from ftso_cli.settings.options import Bounds, Option, Settings, settings
from ftso_cli.settings.values import count
from ftso_cli.spaces import SPACES

LIMITS = "Limits"
"""A panel of help."""


@settings
class FittedNetwork(Settings):
    """A request about a network that keeps to limits."""

    _: KW_ONLY
    fit_macs: Annotated[
        Annotated[Annotated[int, Bounds(least=1)] | None, BeforeValidator(count)],
        Option(help="Stay within so many MACs, as in 30M.", metavar="COUNT", panel=LIMITS, written=True),
    ] = None
    fit_params: Annotated[
        Annotated[Annotated[int, Bounds(least=1)] | None, BeforeValidator(count)],
        Option(
            help="Stay within so many parameters, the auxiliary head left out, as in 4M.",
            metavar="COUNT",
            panel=LIMITS,
            written=True,
        ),
    ] = None

    @property
    def limited(self) -> bool:
        """True where there is a limit."""
        return self.fit_macs is not None or self.fit_params is not None


@settings
class Limited(FittedNetwork):
    """A search whose cells keep to a limit."""

    _: KW_ONLY
    setting: Annotated[
        str,
        Option(
            help="The network that these limits are for, as in ftso cost.",
            choices=lambda: dict.fromkeys(name for space in SPACES.values() for name in space.evaluations),
            panel=LIMITS,
        ),
    ] = "cifar"
