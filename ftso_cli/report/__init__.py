"""A page about a cell: what was searched, trained and measured of it, in one HTML file. No torch here."""
