"""Statistics of a few seeds, against values worked out by hand."""

from math import sqrt

import pytest

from ftso_cli.studies.analysis.statistics import correlation, spread


def test_the_interval_is_that_of_students_t() -> None:
    found = spread([1.0, 2.0, 3.0])
    assert found is not None
    assert (found.n, found.mean, found.std) == (3, 2.0, 1.0)
    # The 97.5 % quantile of t with 2 degrees of freedom, from a table.
    assert found.half == pytest.approx(4.30265 / sqrt(3), rel=1e-5)


def test_one_seed_has_no_spread_and_none_has_no_mean() -> None:
    one = spread([5.0])
    assert one is not None
    assert (one.mean, one.std, one.half) == (5.0, None, None)
    assert spread([]) is None


def test_correlations_by_value_and_by_rank() -> None:
    found = correlation([1, 2, 3, 4], [1, 4, 9, 16])
    assert found.spearman == pytest.approx(1)
    # Covariance 25/3 over the product of the standard deviations, sqrt(5/3) and sqrt(129/3).
    assert found.pearson == pytest.approx((25 / 3) / sqrt(5 / 3 * 43), rel=1e-9)


def test_no_correlation_is_told_of_two_pairs_or_of_a_constant() -> None:
    assert correlation([1, 2], [3, 4]).pearson is None
    assert correlation([1, 2, 3], [4, 4, 4]).spearman is None
