"""The listener of commands: a progress bar, remarks and warnings on stderr."""

from collections.abc import Iterator
from contextlib import contextmanager

from ftso_cli.api.listening import Listener
from ftso_cli.cli.console import err, note, warn
from ftso_cli.cli.output import common
from ftso_cli.settings.shared import Update


class CommandListener(Listener):
    """Shows a progress bar, and says what there is to say."""

    def __init__(self) -> None:
        super().__init__()
        self.watch = common.stopwatch()

    @contextmanager
    def bar(self, title: str, unit: str) -> Iterator[Update]:
        """Show a progress bar, or a line now and then where there is no terminal."""
        from ftso_cli.cli.output.progress import ProgressLines, bar

        if not err.is_terminal:
            yield ProgressLines(title, unit).update
            return
        with bar(title) as progress:
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
