"""A measured latency as a line and as JSON."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ftso_cli.training.use.latency import Latency


def latency_facts(found: "Latency") -> dict[str, Any]:
    """Return a latency for --json."""
    named = {f"p{at}": value for at, value in found.milliseconds.items()}
    size = {"device": found.device, "threads": found.threads, "batch_size": found.batch_size, "runs": found.runs}
    return {**size, "milliseconds": named, "images_a_second": found.images_a_second}


def latency_text(found: "Latency") -> str:
    """Return a latency in a line."""
    threads = f", {found.threads} thread{'s' if found.threads > 1 else ''}" if found.device == "cpu" else ""
    return (
        f"{found.milliseconds[50]:.2f} ms a batch of {found.batch_size}, {found.images_a_second:.0f} images a second "
        f"on {found.device}{threads}"
    )
