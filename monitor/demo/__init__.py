"""The demo: three acts of drift on real text and real models, walked by the same pipeline as production."""
