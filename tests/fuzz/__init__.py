"""Attacks on everything that reads what somebody else wrote: see docs/robustness.md."""
