"""The verbs of the command line as functions. They print nothing; `ftso_cli` offers them, and the commands call them.

cells      what cells and data may be given as
record     what the history of a genotype keeps of a command
settings   from options by name to the settings of a search
searches   search_topology, search_operators, search_baseline
searching  how any search is run and recorded
recorded   searches that keep their history and their checkpoints in a folder
races      searches by many short trainings
edits      prune, assign_operators
networks   cost
pictures   draw; genotypes that show themselves in notebooks
trainings  train, evaluate, load
health     what works on this machine
"""

from ftso_cli.genotype import Genotype


def _repr_svg_(genotype: Genotype) -> str | None:
    """The picture of a genotype, for notebooks; None where nothing on this machine can draw it."""
    from ftso_cli.api.pictures import svg

    return svg(genotype)


# Here and not in `genotype`, which drawing stands above.
Genotype._repr_svg_ = _repr_svg_  # type: ignore[attr-defined]
