"""Torture: what the daemon must survive, done to it for real, with its numbers."""
