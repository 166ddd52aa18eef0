"""One file per detector; each a pure function of baseline and profile."""
