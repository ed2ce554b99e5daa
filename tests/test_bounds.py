"""The least that numbers among settings may be."""

from dataclasses import dataclass

import pytest

from ftso_cli.bounds import check_bounds
from ftso_cli.errors import SettingsError


@dataclass(frozen=True, kw_only=True)
class Settings:
    weight_lr: float | None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (-0.5, "weight lr must be at least 0, not -0.5"),
        (float("nan"), "weight lr must be at least 0, not nan"),
        (float("inf"), "weight lr must be at least 0 and finite, not inf"),
    ],
)
def test_what_is_too_small_or_not_finite_is_named(value: float, expected: str) -> None:
    with pytest.raises(SettingsError) as caught:
        check_bounds(Settings(weight_lr=value), {"weight_lr": 0})
    assert str(caught.value) == expected


def test_the_bound_itself_and_what_is_not_set_will_do() -> None:
    for value in (0, None):
        check_bounds(Settings(weight_lr=value), {"weight_lr": 0})


def test_a_bound_of_a_field_that_there_is_not_is_a_fault() -> None:
    with pytest.raises(AttributeError, match="weight_rte"):
        check_bounds(Settings(weight_lr=1.0), {"weight_rte": 0})
