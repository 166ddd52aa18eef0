"""Numbers only: arrays in, numbers out; no clock, no I/O, no configuration."""
