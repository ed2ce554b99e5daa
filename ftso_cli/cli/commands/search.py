"""`ftso search`: the searches for wiring and operators at once, which FTSO is compared with."""

from ftso_cli.api.search.searches import find_baseline
from ftso_cli.cli.console import say, show
from ftso_cli.cli.derive import as_command
from ftso_cli.cli.output.searching import (
    SearchListener,
    count_operators,
    new_file,
    print_result,
    print_written,
    propose_training,
)
from ftso_cli.settings.requests.search import SearchBaseline


@as_command(SearchBaseline, fill=new_file)
def search(request: SearchBaseline, as_json: bool) -> None:
    """Search wiring and operators at once, as the methods that FTSO is compared with.

    By gradient, in a super-net: darts-1st, darts-2nd, pc-darts, snas, gdas, drnas, proxylessnas, p-darts. By evaluating
    cells, --budget of them, each by --evaluate: random, local-search, evolution, reinforce, pnas, halving. Settings are
    the published ones (docs/search-methods.md). The file that comes out has its operators: train, draw and cost take
    it.

    `torchrun --nproc-per-node 2 -m ftso_cli search ...` does the same in several processes (docs/machines.md).

    Examples: `ftso search --method pc-darts --data cifar10 -o pc.json` ·
    `ftso search -m gdas --data digits --epochs 1 --channels 8 --cells 3 --fit-macs 600M` ·
    `ftso search -m evolution --evaluate predictor --budget 200`
    """
    listener = SearchListener()
    found = find_baseline(request, listener)

    def report() -> None:
        from ftso_cli import drawing

        show(drawing.text(found.genotype, title=f"What {request.method} has found"))
        say(count_operators(found.genotype))
        print_written(request, listener)
        propose_training(request)

    print_result(found, request, {}, as_json, report)
