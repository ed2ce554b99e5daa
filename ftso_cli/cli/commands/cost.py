"""`ftso cost`: what a network costs, what a search costs by the paper's formulas, how wide a budget allows."""

from ftso_cli.cli.derive import as_command
from ftso_cli.settings.requests.costs import CostCommandRequest


@as_command(CostCommandRequest)
def cost(request: CostCommandRequest, as_json: bool) -> None:
    """Count the parameters and MACs of the networks of one or more cells, exactly, without building them.

    A cell's network is the paper's for CIFAR-10, or that of --setting; where the next command trains another one, that
    is told, too. Of the run folder of a training it is the network that was trained.

    Without a cell: the paper's formulas for what topology search and operator search save (end of section 3), and
    what real super-nets save. MACs are multiply-accumulates of convolutions and linear layers for one image.

    Examples: `ftso cost cell.json` · `ftso cost pc_darts_cifar darts_v2 --setting imagenet` ·
    `ftso cost cell.json --setting imagenet --fit-macs 600M` · `ftso cost runs/cell-digits` ·
    `ftso cost --n 7 --p 8` · `ftso cost --sweep n=4..12`
    """
    # Imported here, so that no other command waits for it.
    from ftso_cli.cli.output import cost_report

    if request.cell:
        cost_report.report_networks(request, as_json)
    else:
        cost_report.report_formulas(request, as_json)
