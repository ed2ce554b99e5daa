"""The command line: one module a command. Knows rich and typer; torch is imported inside commands that need it."""
