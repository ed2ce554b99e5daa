"""Limits on the cell that a search finds. No torch."""

from dataclasses import KW_ONLY
from typing import Annotated

from pydantic import BeforeValidator

from ftso_cli.settings.options import Bounds, Option, Settings, settings
from ftso_cli.settings.values import count
from ftso_cli.spaces import SPACES

LIMITS = "Limits on the cell"
"""A panel of help."""


@settings
class Limited(Settings):
    """A search whose cells keep to a limit."""

    _: KW_ONLY
    fit_macs: Annotated[
        Annotated[Annotated[int, Bounds(least=1)] | None, BeforeValidator(count)],
        Option(help="Only cells within so many MACs: 600M.", metavar="COUNT", panel=LIMITS, written=True),
    ] = None
    fit_params: Annotated[
        Annotated[Annotated[int, Bounds(least=1)] | None, BeforeValidator(count)],
        Option(help="Only cells within so many parameters: 4M.", metavar="COUNT", panel=LIMITS, written=True),
    ] = None
    setting: Annotated[
        str,
        Option(
            help="The network that these limits are for, as in ftso cost.",
            choices=lambda: dict.fromkeys(name for space in SPACES.values() for name in space.evaluations),
            panel=LIMITS,
        ),
    ] = "cifar"

    @property
    def limited(self) -> bool:
        """True where there is a limit."""
        return self.fit_macs is not None or self.fit_params is not None
