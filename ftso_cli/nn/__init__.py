"""Torch modules built from the data of `ftso_cli.spaces`: layers, evaluation networks, super-nets."""
