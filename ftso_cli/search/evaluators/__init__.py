"""Measures of a candidate network that need no whole training."""
