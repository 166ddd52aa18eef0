"""On-call hooks, one file per system."""
