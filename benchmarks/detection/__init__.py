"""What detectors and judge really do: seeded simulation on real vectors, tables kept in docs/statistics.md."""
