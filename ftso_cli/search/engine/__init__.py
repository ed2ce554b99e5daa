"""The bilevel engine of every differentiable search."""
