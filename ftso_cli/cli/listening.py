"""How commands follow the work of a verb: a progress bar, remarks and warnings on stderr."""

from collections.abc import Iterator
from contextlib import contextmanager

from ftso_cli.api.listening import Listener
from ftso_cli.cli import common
from ftso_cli.cli.console import note, warn
from ftso_cli.settings.shared import Update


class CommandListener(Listener):
    """Shows a progress bar, and says what there is to say."""

    def __init__(self) -> None:
        super().__init__()
        self.watch = common.Stopwatch()

    @contextmanager
    def bar(self, title: str, unit: str) -> Iterator[Update]:
        """Show a progress bar."""
        from ftso_cli.cli.progress import bar

        with bar(title, unit) as progress:
            yield progress.update

    def note(self, text: str) -> None:
        """Print a remark."""
        note(text)

    def warn(self, text: str) -> None:
        """Print a warning."""
        warn(text)

    def kept(self, text: str) -> None:
        """Tell how to go on."""
        note(f"stopped; {text}")
