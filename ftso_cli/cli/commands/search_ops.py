"""`ftso search-ops`: the second phase of FTSO, by gradient or by capacity."""

from ftso_cli.api.search.searches import find_operators
from ftso_cli.cli.console import next_step, say, show
from ftso_cli.cli.derive import as_command
from ftso_cli.cli.output import capacity, common
from ftso_cli.cli.output.searching import SearchListener, count_operators, print_result, print_written, propose_training
from ftso_cli.settings.requests.search_ops import SearchOperators


@as_command(SearchOperators, fill=common.in_place)
def search_ops(request: SearchOperators, as_json: bool) -> None:
    """Search the operator of every kept edge (Algorithm 2, second strategy).

    By gradient, each edge weighs all candidates and keeps the strongest; in darts `none` is weighed, never kept. The
    quicker way, and the paper's default, is `ftso assign-ops`.

    `--strategy capacity` (ours) climbs a training-free score, edge by edge, then trains the cells that come close to
    the highest for a few steps and takes the one that learns fastest. It ends by itself, or with --budget.

    `--method evolution` and others evaluate whole cells as `ftso search` does (docs/search-methods.md).

    `torchrun --nproc-per-node 2 -m ftso_cli search-ops ...` does the same in several processes (docs/machines.md).

    Examples: `ftso search-ops cell.json --data digits --epochs 2` ·
    `ftso search-ops cell.json --ops skip_connect,sep_conv_3x3 --iters 50 -o found.json` ·
    `ftso search-ops cell.json --strategy capacity --data cifar10`
    """
    listener = SearchListener()
    found = find_operators(request, listener)

    def report() -> None:
        from ftso_cli import drawing

        show(drawing.text(found.genotype))
        if found.choice is not None:
            capacity.report_choice(found, request)
        say(count_operators(found.genotype))
        print_written(request, listener)
        if found.choice is not None:
            propose_training(request)
        else:
            next_step("draw", request.output)

    print_result(found, request, capacity.trials_json(found, request), as_json, report)
