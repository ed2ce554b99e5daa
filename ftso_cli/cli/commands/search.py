"""`ftso search`: the searches for wiring and operators at once, which FTSO is compared with."""

from ftso_cli.api.search.searches import find_baseline
from ftso_cli.cli.console import say, show
from ftso_cli.cli.derive import command
from ftso_cli.cli.output.searching import SearchListener, counted, finish, new_file, propose_training, say_written
from ftso_cli.settings.joint import SearchBaseline


@command(SearchBaseline, fill=new_file)
def search(request: SearchBaseline, as_json: bool) -> None:
    """Search wiring and operators at once, as the methods that FTSO is compared with.

    darts-1st and darts-2nd weigh all operators on all edges, of all channels, by first- and second-order gradients;
    pc-darts a quarter of the channels, and edges too, after a warm-up; random trains random cells for equal shares of
    the search and takes the best on held-out images. Hyper-parameters are the published ones. The file that comes out
    has its operators: train, draw and cost take it.

    `torchrun --nproc-per-node 2 -m ftso_cli search ...` does the same in several processes (docs/machines.md).

    Examples: `ftso search --method pc-darts --data cifar10 -o pc.json` ·
    `ftso search -m darts-2nd --data digits --epochs 1 --channels 8 --cells 3` · `ftso search -m random --iters 240`
    """
    listener = SearchListener()
    found = find_baseline(request, listener)

    def report() -> None:
        from ftso_cli import drawing

        show(drawing.text(found.genotype, title=f"What {request.method} has found"))
        say(counted(found.genotype))
        say_written(request, listener)
        propose_training(request)

    finish(found, request, {}, as_json, report)
