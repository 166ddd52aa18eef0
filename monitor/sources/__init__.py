"""Log sources, one file per system."""
