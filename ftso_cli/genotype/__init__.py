"""The genotype: one file from the first search to the trained network. No torch here."""

from ftso_cli.genotype.schema import FORMAT, About, Cell, Edge, Figures, Genotype, Published, Step, Times

__all__ = ["FORMAT", "About", "Cell", "Edge", "Figures", "Genotype", "Published", "Step", "Times"]
