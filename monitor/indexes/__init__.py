"""Vector indexes, one file per system."""
