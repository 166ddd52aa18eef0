"""Texts of a log, made fit for a tokenizer."""

from __future__ import annotations

from collections.abc import Sequence


def check_texts(texts: Sequence[str]) -> None:
    """Raise TypeError unless this is a sequence of texts; one text alone would be taken letter by letter."""
    if isinstance(texts, str):
        raise TypeError("embed() takes a sequence of texts, not one text; put it into a list")
    for position, text in enumerate(texts):
        if not isinstance(text, str):
            raise TypeError(f"text {position} is {type(text).__name__}; embed() takes texts")


def encodable(text: str) -> str:
    """Return the text with lone surrogates replaced: logs hold them, tokenizers refuse them."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
