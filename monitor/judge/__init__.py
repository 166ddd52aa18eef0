"""Evidence (budget), attribution (cause), verdict."""
