"""`ftso latency`: how long a trained network takes on this device."""

from ftso_cli.api.training.uses import time_network
from ftso_cli.cli.console import print_json, say
from ftso_cli.cli.derive import command
from ftso_cli.cli.output.listening import CommandListener
from ftso_cli.settings.use import Timing


@command(Timing)
def latency(request: Timing, as_json: bool) -> None:
    """Measure the latency of a trained network on this device, from pixels in memory to its answer.

    The batch norm is folded, as in an exported network. The number of threads is that of torch (`OMP_NUM_THREADS`),
    or 1 where that is faster, as on a machine that is busy otherwise. The result is kept in the run folder, for its
    page.

    Examples: `ftso latency runs/cell-digits` · `ftso latency runs/cell-photos --batch-size 32 --device cuda`
    """
    found = time_network(request, CommandListener())
    if as_json:
        named = {f"p{at}": value for at, value in found.milliseconds.items()}
        size = {"device": found.device, "threads": found.threads, "batch_size": found.batch_size, "runs": found.runs}
        print_json({"run": str(request.run), **size, "milliseconds": named, "images_a_second": found.images_a_second})
        return
    median, slow, slowest = found.milliseconds.values()
    threads = f", {found.threads} thread{'s' if found.threads > 1 else ''}" if found.device == "cpu" else ""
    say(
        f"{median:.2f} ms a batch of {found.batch_size}, {found.images_a_second:.0f} images a second on "
        f"{found.device}{threads}"
    )
    say(f"90 % of {found.runs} runs under {slow:.2f} ms, 99 % under {slowest:.2f} ms")
