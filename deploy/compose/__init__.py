"""The one-machine stack: what stands beside the daemon there."""
