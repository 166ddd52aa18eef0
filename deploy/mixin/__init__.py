"""Recording rules and alerts as data: the one source of the files under ``deploy/prometheus``."""
