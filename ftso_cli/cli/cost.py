"""`ftso cost`: what a network costs, what a search costs by the paper's formulas, how wide a budget allows."""

from typing import Any

import typer

from ftso_cli.cli import common, cost_options


def cost(
    cell: cost_options.CellsArgument = None,
    n: cost_options.NOption = None,
    p: cost_options.POption = None,
    k: cost_options.KOption = None,
    c_in: cost_options.CInOption = None,
    c_out: cost_options.COutOption = None,
    height: cost_options.HeightOption = None,
    width: cost_options.WidthOption = None,
    sweep: cost_options.SweepOption = None,
    setting: cost_options.SettingOption = None,
    channels: cost_options.ChannelsOption = None,
    cells: cost_options.CellCountOption = None,
    image_size: cost_options.ImageSizeOption = None,
    classes: cost_options.ClassesOption = None,
    image_channels: cost_options.ImageChannelsOption = None,
    by_stage: cost_options.ByStageOption = False,
    convention: cost_options.ConventionOption = None,
    fit_macs: cost_options.FitMacsOption = None,
    fit_params: cost_options.FitParamsOption = None,
    as_json: common.JsonOption = False,
) -> None:
    """Count the parameters and MACs of the networks of one or more cells, exactly, without building them.

    A cell's network is the paper's for CIFAR-10, or that of --setting; where the next command trains another one, that
    is told, too. Of the run folder of a training it is the network that was trained.

    Without a cell: the paper's formulas for what topology search and operator search save (end of section 3), and
    what real super-nets save. MACs are multiply-accumulates of convolutions and linear layers for one image.

    Examples: `ftso cost cell.json` · `ftso cost pc_darts_cifar darts_v2 --setting imagenet` ·
    `ftso cost cell.json --setting imagenet --fit-macs 600M` · `ftso cost runs/cell-digits` ·
    `ftso cost --n 7 --p 8` · `ftso cost --sweep n=4..12`
    """
    sizes = _given(n=n, p=p, k=k, c_in=c_in, c_out=c_out, height=height, width=width)
    shape = _given(channels=channels, cells=cells, classes=classes, image_channels=image_channels)
    budget = _given(fit_macs=fit_macs, fit_params=fit_params)
    ours = _given(setting=setting, **shape, image_size=image_size, by_stage=by_stage or None, convention=convention)
    _one_question(cell or [], [*sizes, *_given(sweep=sweep)], [*ours, *budget])
    # Imported here, so that no other command waits for it.
    from ftso_cli.cli import cost_report

    if not cell:
        cost_report.report_formulas(sizes, sweep, as_json)
        return
    if budget and channels is not None:
        raise typer.BadParameter(f"{_flag(next(iter(budget)))} chooses the channels: leave --channels out")
    request = cost_report.Request(
        setting=setting,
        shape=shape,
        image_size=image_size,
        convention=convention,
        macs=fit_macs,
        params=fit_params,
    )
    cost_report.report_networks(cell, request, by_stage, as_json)


def _given(**options: Any) -> dict[str, Any]:
    """The options that the user gave."""
    return {name: value for name, value in options.items() if value is not None}


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _one_question(cells: list[str], formulas: list[str], networks: list[str]) -> None:
    """Raises `typer.BadParameter` where it is not clear which question is asked: a network's or the formulas'."""
    if cells and formulas:
        flag = _flag(formulas[0])
        raise typer.BadParameter(
            f"{flag} is for the paper's formulas, which count no network: leave out {flag} or {cells[0]}"
        )
    if not cells and networks:
        raise typer.BadParameter(f"{_flag(networks[0])} is for a network: name its CELL (ftso genotypes lists some)")
    if not cells and not formulas:
        raise typer.BadParameter(
            "nothing to count: give a CELL (a genotype file or a name from ftso genotypes) for its network, "
            "--n and --p for the paper's formulas, or --sweep n=4..12 for their growth"
        )
