"""Embedders, one file per system."""
