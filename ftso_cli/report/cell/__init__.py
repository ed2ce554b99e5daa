"""The cell of a page: its picture, and its search over time."""
