from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from monitor.explain.words import LEAST, characteristic_words, words_of

BAGS = st.lists(st.frozensets(st.sampled_from(["ab", "cd", "ef", "gh", "ij"])), max_size=30)


def test_the_word_that_only_they_have() -> None:
    inside = [words_of(f"how do I reset the router {i}") for i in range(10)]
    outside = [words_of(f"how do I cook the rice {i}") for i in range(50)]
    assert set(characteristic_words(inside, outside)) == {"reset", "router"}


def test_a_word_of_few_texts_is_not_told() -> None:
    inside = [words_of("my name is Rumpelstiltskin")] * (LEAST - 1) + [words_of("my name is")] * 8
    outside = [words_of("my name is")] * 50
    assert characteristic_words(inside, outside) == ()


def test_a_long_text_does_not_outweigh_others() -> None:
    inside = [words_of("spam " * 500), *[words_of(f"tax form {i}") for i in range(8)]]
    outside = [words_of("weather today")] * 40
    assert set(characteristic_words(inside, outside)) == {"tax", "form"}


def test_every_script() -> None:
    assert words_of("Straße STRASSE straße Ölpreis") == {"strasse", "ölpreis"}
    assert words_of("a 1 22 x3 _") == frozenset()


@given(inside=BAGS, outside=BAGS)
def test_nothing_makes_it_raise(inside: list[frozenset[str]], outside: list[frozenset[str]]) -> None:
    found = characteristic_words(inside, outside)
    assert len(found) <= 5
    assert all(sum(word in bag for bag in inside) >= LEAST for word in found)
