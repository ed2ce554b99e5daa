"""The analytic cost calculator: parameters and MACs of networks and super-nets, and the paper's formulas. No torch."""
