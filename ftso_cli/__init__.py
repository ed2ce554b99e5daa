"""ftso: find the wiring of a small image-classification network first, then its operators."""

__version__ = "0.1.0"
