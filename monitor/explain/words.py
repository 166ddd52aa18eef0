"""The words that set some texts apart from others."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence

_WORD = re.compile(r"[^\W\d_]{2,40}")
_LONGEST = 2000
"""Characters of a text that are looked at."""
LEAST = 3
"""A word of fewer texts is left out: it is a name sooner than a topic."""
PRIOR = 10.0
"""How many texts the prior weighs as."""
SURE = 1.96


def words_of(text: str) -> frozenset[str]:
    """Return the distinct words of a text, without case.

    >>> sorted(words_of("Reset my VPN, reset it!"))
    ['it', 'my', 'reset', 'vpn']
    """
    return frozenset(word.casefold() for word in _WORD.findall(text[:_LONGEST]))


def characteristic_words(
    inside: Sequence[frozenset[str]], outside: Sequence[frozenset[str]], most: int = 5
) -> tuple[str, ...]:
    """Return the words that texts ``inside`` have more often than those ``outside``, the surest first.

    Notes
    -----
    Log-odds with an informative Dirichlet prior (Monroe, Colaresi and Quinn 2008, "Fightin' Words", eq. 15 to 22), on
    the number of texts that have a word, so that one long text does not name a region: the prior is the word's share of
    all texts, weighing `PRIOR` texts; a word counts when its z-score is above 1.96 and `LEAST` texts have it.
    """
    here = Counter(word for bag in inside for word in bag)
    there = Counter(word for bag in outside for word in bag)
    n, m = len(inside), len(outside)
    found: list[tuple[float, str]] = []
    for word, count in here.items():
        if count < LEAST:
            continue
        prior = PRIOR * (count + there[word]) / (n + m)
        a, b = count + prior, there[word] + prior
        # Every text may have every word: the rest is never below the prior's own share.
        rest_a, rest_b = n + PRIOR - a + 0.5, m + PRIOR - b + 0.5
        z = (math.log(a / rest_a) - math.log(b / rest_b)) / math.sqrt(1.0 / a + 1.0 / b)
        if z > SURE:
            found.append((-z, word))
    return tuple(word for _, word in sorted(found)[:most])
