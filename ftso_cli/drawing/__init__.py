"""Pictures of a genotype: DOT for Graphviz, svg, png and pdf made of it, and text for the terminal. No torch here."""

from ftso_cli.drawing.diagram import dot
from ftso_cli.drawing.rendering import FORMATS, render_dot
from ftso_cli.drawing.terminal import text

__all__ = ["FORMATS", "dot", "render_dot", "text"]
