"""The study of a page: its settings, trials and figure."""
