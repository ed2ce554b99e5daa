"""The least and the most that numbers among settings may be."""

import math
from collections.abc import Mapping

from ftso_cli.errors import SettingsError

LEAST_PIXELS, MOST_PIXELS = 4, 1024
"""The smallest and the largest side of the images that networks are trained on and used with."""


def check_bounds(settings: object, least: Mapping[str, float]) -> None:
    """Raises `SettingsError` for the first of these fields that is too small or not finite; None is a field not set."""
    for name, bound in least.items():
        value = getattr(settings, name)
        if value is not None and not bound <= value < math.inf:
            least_ = f"{bound} and finite" if value > bound else bound
            raise SettingsError(f"{name.replace('_', ' ')} must be at least {least_}, not {value}")
