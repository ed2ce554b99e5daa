"""The verbs of the command line as functions. They print nothing; `ftso_cli` offers them, and the commands call them.

Each is made of a class of settings by `verbs.verb`. A command has a request already: it calls `VERB.run(request)`, or
the function below the verb with a listener that shows how the work goes on. Verbs that need more than this package are
in `report` and `studies`.

verbs        from a class of settings to a function
listening    how a caller follows the work
cells        what cells may be given as; files to write
record       what the history of a genotype keeps of a command
edits        prune, assign_operators
stability    stability
networks     cost, formulas
pictures     draw; genotypes that show themselves in notebooks
library      genotypes
convert      import_genotype, export
query        query
nats_table2  nats_table2
health       examine: what works on this machine
search       search_topology, search_operators, search_baseline, each alone, from many seeds or as a race
training     train, evaluate, latency, load, predict
"""

from ftso_cli.genotype import Genotype


def _repr_svg_(genotype: Genotype) -> str | None:
    """The picture of a genotype, for notebooks; None where nothing on this machine can draw it."""
    from ftso_cli.api.pictures import picture_svg

    return picture_svg(genotype)


# Here and not in `genotype`, which drawing stands above.
Genotype._repr_svg_ = _repr_svg_  # type: ignore[attr-defined]
