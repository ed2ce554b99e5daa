"""The options of every command, with types, bounds, defaults, help texts and sources. No torch."""
