"""The trained network of a page: its recipe, accuracy, mistakes and confidence."""
