"""The Drift-Adapter and its gate."""
