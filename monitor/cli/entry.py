"""Where the command starts: Ctrl-C is answered politely from the first moment, while everything is still loading."""

from __future__ import annotations

import sys

INTERRUPTED = 130
"""What the shell calls a process that Ctrl-C ended."""


def main() -> None:
    """Load the command and run it."""
    try:
        from monitor.cli.main import main as run
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    run()
