"""Searches of the wiring from many seeds, and whether a super-net can see a wiring at all."""
