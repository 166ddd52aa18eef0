"""The driftmon command."""
