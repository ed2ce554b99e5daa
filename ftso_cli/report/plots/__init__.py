"""Charts of a page, drawn as SVG while the page is made."""
