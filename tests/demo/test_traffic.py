from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from monitor.demo.material import Material, load_material
from monitor.demo.traffic import Traffic, cycle

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.fixture(scope="module")
def material() -> Material:
    return load_material()


def draw(material: Material, seed: int, hours: int = 6) -> list[tuple[datetime, int, int]]:
    traffic = Traffic(material, np.random.default_rng(seed))
    traffic.ask(np.arange(len(material.ids)))
    visits = [v for h in range(hours) for v in traffic.hour(MONDAY + timedelta(hours=10 + h))]
    return [(v.at, v.session, v.question) for v in visits]


def test_the_same_seed_draws_the_same_visits(material: Material) -> None:
    assert draw(material, 4) == draw(material, 4)
    assert draw(material, 4) != draw(material, 5)


def test_sessions_stay_with_one_module(material: Material) -> None:
    modules: dict[int, set[str]] = {}
    for _, session, question in draw(material, 1):
        modules.setdefault(session, set()).add(material.modules[question])
    assert all(len(names) == 1 for names in modules.values())
    assert max(Counter(s for _, s, _ in draw(material, 1)).values()) > 1


def test_every_visit_lies_in_its_hour(material: Material) -> None:
    traffic = Traffic(material, np.random.default_rng(1))
    traffic.ask(np.arange(len(material.ids)))
    start = MONDAY + timedelta(hours=14)
    assert all(start <= v.at < start + timedelta(hours=1) for v in traffic.hour(start))


def test_days_are_busy_and_nights_and_weekends_quiet() -> None:
    noon, night = MONDAY + timedelta(hours=14), MONDAY + timedelta(hours=2)
    assert cycle(noon) > 3 * cycle(night)
    assert cycle(noon + timedelta(days=5)) == pytest.approx(cycle(noon) / 2)


def test_what_is_new_is_asked_about_more(material: Material) -> None:
    areas = np.array(material.areas)
    new = np.flatnonzero(areas == "mail")
    old = np.flatnonzero(areas != "mail")
    shares = []
    for interest in (1.0, 3.0):
        traffic = Traffic(material, np.random.default_rng(2))
        traffic.ask(old)
        traffic.ask(new, interest=interest)
        visits = [v.question for h in range(24) for v in traffic.hour(MONDAY + timedelta(hours=h))]
        shares.append(float(np.isin(visits, new).mean()))
    assert shares[1] > 2 * shares[0]
