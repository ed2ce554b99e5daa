"""The paper's formulas against its worked example, and against sums over the edges and nodes they stand for."""

from fractions import Fraction
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftso_cli.costs.formulas import Formulas
from ftso_cli.errors import SettingsError

FORMULAS = st.builds(
    Formulas,
    n=st.integers(4, 40),
    p=st.integers(1, 20),
    k=st.integers(1, 9),
    c_in=st.integers(1, 600),
    c_out=st.integers(1, 600),
    height=st.integers(1, 64),
    width=st.integers(1, 64),
)


def test_the_worked_example_is_that_of_the_paper() -> None:
    f = Formulas()
    assert (f.n, f.p, f.k, f.c_in, f.c_out) == (7, 8, 5, 512, 512)
    assert (f.edges, f.kept_edges) == (14, 8)
    assert (f.darts_operators, f.topology_operators, f.operator_operators) == (112, 14, 64)
    assert (f.topology_saving, f.operator_saving) == (8, Fraction(7, 4))
    assert (f.darts_params, f.topology_params, f.params_difference) == (734_060_544, 14, 734_060_530)
    assert f.conv_params == 6_554_112


def test_flops_of_the_worked_example_at_one_pixel() -> None:
    f = Formulas(height=1, width=1)
    assert (f.conv_flops, f.sum_flops) == (6_553_600, 512)
    assert (f.darts_flops, f.topology_flops) == (734_060_544, 7_168)


def test_the_ratios_are_those_the_paper_prints() -> None:
    f = Formulas()
    assert (f.params_ratio, f.flops_ratio) == (Fraction(1, 52_432_896), Fraction(1, 102_408))
    assert f"{float(f.params_ratio):.1e}" == "1.9e-08"
    assert f"{float(f.flops_ratio):.1e}" == "9.8e-06"
    # The introduction prints 5.3×10^7, which is 1 / 1.9e-8 after rounding.
    assert f"{float(1 / f.params_ratio):.1e}" == "5.2e+07"


@given(FORMULAS)
def test_counts_are_those_of_a_cell_drawn_edge_by_edge(f: Formulas) -> None:
    inputs, output = (0, 1), f.n - 1
    edges = [(i, j) for i, j in combinations(range(f.n), 2) if j not in inputs and j != output]
    kept = [edge for node in range(2, output) for edge in [edge for edge in edges if edge[1] == node][:2]]
    assert (len(edges), len(kept)) == (f.edges, f.kept_edges)
    weights = sum(f.k * f.k * f.c_in + 1 for _ in range(f.c_out))
    assert f.darts_params == sum(weights for _ in edges for _ in range(f.p))
    assert f.operator_params == sum(weights for _ in kept for _ in range(f.p))


@given(FORMULAS)
def test_ratios_are_the_papers_closed_forms_for_all_widths(f: Formulas) -> None:
    assert f.params_ratio == Fraction(1, f.p * (f.k**2 * f.c_in + 1) * f.c_out)
    assert f.flops_ratio == Fraction(1, f.p * (f.k**2 * f.c_in + 1))
    assert f.operator_saving == Fraction(f.n, 4)
    assert Fraction(f.darts_flops, f.operator_flops) == Fraction(f.n, 4)


@pytest.mark.parametrize(
    ("sizes", "complaint"), [({"n": 3}, "n must be at least 4"), ({"p": 0}, "p must be at least 1")]
)
def test_sizes_without_a_cell_are_refused(sizes: dict[str, int], complaint: str) -> None:
    with pytest.raises(SettingsError, match=complaint):
        Formulas(**sizes)
