"""`ftso draw`: genotypes as pictures and in the terminal."""

from ftso_cli.cli.console import next_step, print_json, say, show
from ftso_cli.cli.derive import as_command
from ftso_cli.errors import SettingsError
from ftso_cli.genotype import Genotype
from ftso_cli.settings.requests.pictures import DrawCommandRequest
from ftso_cli.spaces import SPACES


@as_command(DrawCommandRequest)
def draw(request: DrawCommandRequest, as_json: bool) -> None:
    """Draw cells: in the terminal, and as CELL.svg in the current folder; with -o or --out-dir as files only.

    Line width shows how strong a searched edge is. pdf needs Graphviz on this machine, the others need nothing.

    Examples: `ftso draw cell.json` · `ftso draw cell.json -o cell.pdf` · `ftso draw pc_darts_cifar darts_v2
    --out-dir figures --format png`
    """
    if as_json and request.terminal:
        raise SettingsError("--terminal writes no file; leave out -o, --out-dir and --json, or --terminal")
    if as_json and str(request.output) == "-":
        raise SettingsError("-o - and --json both print on stdout; give one of them")
    # Imported here so that the other commands start without it.
    from ftso_cli import drawing
    from ftso_cli.api.pictures import caption, draw_files

    drawn = draw_files(request)
    files = [each for each in drawn if each.file is not None]
    if as_json:
        named = [{"cell": each.cell, "file": str(each.file), "format": request.chosen} for each in files]
        print_json({"files": named})
        return
    if request.output is None and request.out_dir is None:
        for each in drawn:
            title = caption(each.genotype, each.name, request.title)
            show(drawing.text(each.genotype, title=title, pruned=request.pruned))
    if str(request.output) != "-":
        for each in files:
            say(f"wrote {each.file}")
        _suggest(drawn[-1].cell, drawn[-1].genotype)


def _suggest(cell: str, genotype: Genotype) -> None:
    """The command that a cell at this stage is ready for."""
    if cell == "-":
        return
    if genotype.stage == "pruned":
        next_step("assign-ops", cell, op=SPACES[genotype.space].default_operator)
    else:
        next_step("prune" if genotype.stage == "searched" else "cost", cell)
