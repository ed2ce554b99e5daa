"""Searches that evaluate whole cells."""
