"""Searches of the operators on a fixed wiring."""
