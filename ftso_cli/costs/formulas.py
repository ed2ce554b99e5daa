"""The closed formulas with which the FTSO paper compares its searches to DARTS (end of section 3), in exact numbers.

They count one cell whose candidates are all full k×k convolutions with a bias, and leave out stem, 1x1 preprocessing
and classifier. What real super-nets of depthwise-separable candidates save is in `ftso_cli.costs.supernet`.

Where the paper contradicts itself, this is computed:

- The introduction says that FTSO reduces the parameters "by 5.3×10^7" and the FLOPs "by 1×10^5". These are factors,
  not differences: 52,432,896 = 5.2×10^7 (5.3 is what 1 / 1.9e-8 gives after rounding) and 102,408. The difference in
  parameters is 734,060,530.
- "In the topology search every edge contains only one operator; and in the topology search every node connects to two
  predecessors": the second is the operator search.
- "DARTS has ½pn(n-3) edges": these are its operators; it has ½n(n-3) edges.
- A summation "consumes H_in·W_in·C_in", but the total for DARTS uses H_out·W_out·C_out. Both searches sum the same
  tensors, those of a node, so here a summation costs H_out·W_out·C_out in both, and the ratio of FLOPs is the paper's
  1 / (p(k²·C_in + 1)) for all values. With C_in ≠ C_out it is an idealisation all the same: a skip connection can't
  change the width.
- Topology search's ½n(n-3) parameters are its β. DARTS' count is of kernels and leaves out its α.
- O(n³) falls to O(n²) only as far as p grows with n; the operator search by itself saves n/4.
"""

from dataclasses import dataclass
from fractions import Fraction

from ftso_cli.errors import SettingsError


@dataclass(frozen=True, kw_only=True)
class Formulas:
    """The paper's comparison at given sizes; the defaults are its worked example.

    `n` nodes are two inputs, n - 3 intermediate nodes and the output; `p` candidates with kernels of `k` x `k`.
    `height` and `width` are those of the output; no ratio depends on them, and the paper gives none.
    Raises `SettingsError` for sizes without a cell.
    """

    n: int = 7
    p: int = 8
    k: int = 5
    c_in: int = 512
    c_out: int = 512
    height: int = 32
    width: int = 32

    def __post_init__(self) -> None:
        if self.n < 4:
            raise SettingsError(f"n must be at least 4 (two inputs, a node, the output), not {self.n}")
        for name in ("p", "k", "c_in", "c_out", "height", "width"):
            if getattr(self, name) < 1:
                raise SettingsError(f"{name} must be at least 1, not {getattr(self, name)}")

    @property
    def edges(self) -> int:
        """Edges of the super-net: ½(n² - 3n)."""
        return self.n * (self.n - 3) // 2

    @property
    def kept_edges(self) -> int:
        """Edges that pruning leaves: two for each of the n - 3 intermediate nodes."""
        return 2 * (self.n - 3)

    @property
    def darts_operators(self) -> int:
        """½n(n - 3)p: every candidate on every edge."""
        return self.edges * self.p

    @property
    def topology_operators(self) -> int:
        """½n(n - 3): one operator on every edge."""
        return self.edges

    @property
    def operator_operators(self) -> int:
        """2(n - 3)p: every candidate on the kept edges."""
        return self.kept_edges * self.p

    @property
    def conv_params(self) -> int:
        """(k²·C_in + 1)·C_out: one convolution with its bias."""
        return (self.k**2 * self.c_in + 1) * self.c_out

    @property
    def sum_flops(self) -> int:
        """H·W·C_out: adding one tensor to a node."""
        return self.height * self.width * self.c_out

    @property
    def conv_flops(self) -> int:
        """k²·C_in·H·W·C_out: one convolution, its bias not counted."""
        return self.k**2 * self.c_in * self.sum_flops

    @property
    def darts_params(self) -> int:
        """½n(n - 3)p(k²·C_in + 1)·C_out."""
        return self.darts_operators * self.conv_params

    @property
    def topology_params(self) -> int:
        """½n(n - 3): one β for each edge."""
        return self.edges

    @property
    def operator_params(self) -> int:
        """2(n - 3)p(k²·C_in + 1)·C_out; the paper gives the number of operators only."""
        return self.operator_operators * self.conv_params

    @property
    def darts_flops(self) -> int:
        """½pn(n - 3)·H·W·C_out·(k²·C_in + 1): a convolution and a summation for each operator."""
        return self.darts_operators * (self.conv_flops + self.sum_flops)

    @property
    def topology_flops(self) -> int:
        """½n(n - 3)·H·W·C_out: a summation for each edge."""
        return self.edges * self.sum_flops

    @property
    def operator_flops(self) -> int:
        """2(n - 3)p·H·W·C_out·(k²·C_in + 1); the paper gives the number of operators only."""
        return self.operator_operators * (self.conv_flops + self.sum_flops)

    @property
    def params_ratio(self) -> Fraction:
        """Topology search / DARTS: 1 / (p(k²·C_in + 1)·C_out), the paper's 1.9e-8."""
        return Fraction(self.topology_params, self.darts_params)

    @property
    def flops_ratio(self) -> Fraction:
        """Topology search / DARTS: 1 / (p(k²·C_in + 1)), the paper's 9.8e-6."""
        return Fraction(self.topology_flops, self.darts_flops)

    @property
    def topology_saving(self) -> Fraction:
        """Operators of DARTS for each one of the topology search: p."""
        return Fraction(self.darts_operators, self.topology_operators)

    @property
    def operator_saving(self) -> Fraction:
        """Operators of DARTS for each one of the operator search: n/4, nothing at n = 4, where every edge is kept."""
        return Fraction(self.darts_operators, self.operator_operators)

    @property
    def params_difference(self) -> int:
        """Parameters of DARTS less those of the topology search."""
        return self.darts_params - self.topology_params
