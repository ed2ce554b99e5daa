"""Tabular benchmarks: what every cell of a space reached when others trained it. No torch here."""
