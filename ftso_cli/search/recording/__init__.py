"""The history and the checkpoints of a search."""
