"""The verbs that count: cost, formulas."""

from typing import TYPE_CHECKING

from ftso_cli.api.cells import error_context, read, reference_name, run_folder
from ftso_cli.api.verbs import verb
from ftso_cli.costs.formulas import Formulas
from ftso_cli.costs.networks import CountedNetwork, count_network
from ftso_cli.errors import SettingsError
from ftso_cli.genotype.edit import require_complete
from ftso_cli.settings.requests.costs import CostRequest, FormulaSizes
from ftso_cli.settings.shared import CellLike

if TYPE_CHECKING:
    from ftso_cli.training.run import Run


@verb(CostRequest)
def cost(request: CostRequest) -> CountedNetwork:
    """Count the parameters and MACs of a cell's network exactly, without building it.

    `setting` names the network that the rest changes: `cifar`, `cifar100`, `imagenet` (darts), `imagenet16-120` (nats).
    Of the run folder of a training it is the network that was trained. `image_size` is in pixels, (height, width) or a
    side. `fit_macs` (by `convention`) and `fit_params` choose the most channels within a budget. The result has
    `params`, `macs`, `shape`, and part by part `cost`.

    Raises `GenotypeError` for a cell without operators and `SettingsError` where nothing fits the budget.
    """
    cell, own, auxiliary = request.cell, None, True
    if (run := _run(cell)) is not None:
        genotype = run.genotype()
        if request.setting is None:
            config = run.config()
            own, auxiliary = (config.shape, config.image_size), config.recipe.auxiliary > 0
    else:
        genotype = read(cell)
    name, size = reference_name(cell), request.image_size
    with error_context(name):
        require_complete(genotype, "cost")
    try:
        return count_network(
            genotype,
            name,
            setting=request.setting or "cifar",
            changes=request.changes,
            image_size=(size, size) if isinstance(size, int) else size,
            macs=request.fit_macs,
            params=request.fit_params,
            convention=request.counted_by,
            own=own,
            auxiliary=auxiliary,
        )
    except SettingsError as error:
        raise SettingsError(f"{name}: {error}") from None


def _run(cell: CellLike) -> "Run | None":
    if (folder := run_folder(cell)) is None:
        return None
    from ftso_cli.training.run import Run

    return Run(folder)


@verb(FormulaSizes)
def formulas(request: FormulaSizes) -> Formulas:
    """Compute the paper's formulas for what topology search and operator search save (end of section 3).

    The sizes are those of its worked example unless given. The result has operators, parameters and FLOPs of DARTS and
    of both searches.
    """
    return request.formulas
