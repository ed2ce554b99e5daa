"""Limits on a network: the most channels are chosen within them, or cells that keep to them. No torch."""

from dataclasses import KW_ONLY
from typing import Annotated, Any

from pydantic import BeforeValidator

from ftso_cli.settings.options import Bounds, Option, OptionError, Settings, settings
from ftso_cli.settings.values import as_option, parse_count, parse_duration
from ftso_cli.spaces import SPACES

LIMITS = "Limits"
"""A panel of help."""


@settings
class FittedNetwork(Settings):
    """A request about a network that keeps to limits."""

    _: KW_ONLY
    fit_macs: Annotated[
        Annotated[Annotated[int, Bounds(least=1)] | None, BeforeValidator(parse_count)],
        Option(help="Stay within so many MACs, as in 30M.", metavar="COUNT", panel=LIMITS, written=True),
    ] = None
    fit_params: Annotated[
        Annotated[Annotated[int, Bounds(least=1)] | None, BeforeValidator(parse_count)],
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


def _latency(value: Any) -> str | None:
    """Return a time of one's own as a text in milliseconds, None for None."""
    seconds = parse_duration(value)
    return None if seconds is None else f"{1000 * seconds:.9g}ms"


@settings
class Limited(FittedNetwork):
    """A search whose cells keep to a limit."""

    _: KW_ONLY
    fit_latency: Annotated[
        Annotated[str | float | None, BeforeValidator(as_option(_latency))],
        Option(
            help="Stay within so much time for an image on this machine, as in 40ms (its operations, timed once).",
            metavar="TIME",
            panel=LIMITS,
        ),
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
        return super().limited or self.fit_latency is not None

    def decisive(self) -> dict[str, Any]:
        """Return the values that history keeps: no network that limits are for where nothing is limited."""
        return {name: value for name, value in super().decisive().items() if name != "setting" or self.limited}

    def check_limits(self) -> None:
        """Raise `OptionError` for a network of limits without a limit."""
        if self.asked("setting") and not self.limited:
            raise OptionError("setting", "is the network that limits are for: give one, as in {fit_macs=30M}")

    @property
    def most_milliseconds(self) -> float | None:
        """The longest time of an image, in milliseconds."""
        seconds = parse_duration(self.fit_latency)
        return None if seconds is None else 1000 * float(seconds)
