"""`ftso`, and `python -m ftso_cli`."""

import signal

from ftso_cli.interrupt import interrupt_once, leave


def main() -> None:
    """Runs ftso. Ctrl-C ends it with one line from the first import on, and can't spoil what is done and told."""
    signal.signal(signal.SIGINT, leave)
    from ftso_cli.cli.app import app

    try:
        signal.signal(signal.SIGINT, interrupt_once)
        app(prog_name="ftso")
    except KeyboardInterrupt:
        leave()
    finally:
        # What is left is to take down all that was imported.
        signal.signal(signal.SIGINT, signal.SIG_IGN)


if __name__ == "__main__":
    main()
