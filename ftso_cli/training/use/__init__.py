"""A trained network in use: answers to images, export, 8-bit integers, latency."""
