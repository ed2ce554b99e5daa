"""A race of wirings: successive halving of short trainings."""
