"""`python -m ftso_cli` is `ftso`."""

from ftso_cli.cli.app import app

app(prog_name="ftso")
