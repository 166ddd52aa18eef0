from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Any

import pytest

from monitor import plugins
from monitor.detectors.canary import Canary
from monitor.errors import ConfigError
from monitor.plugins import GROUPS, available, build, build_named, takes

PATH = "collections.docs.index"
SECRET = "s3cr3t-word"  # noqa: S105 it must be found nowhere
URL = f"postgresql://someone:{SECRET}@db/rag"


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Third parties' plug-ins, one of which lacks what it imports and one of which names what is not there."""
    places = {
        "shop": "tests.core_fakes.third_party:ShopIndex",
        "lost": "tests.core_fakes.nowhere:Index",
        "renamed": "tests.core_fakes.third_party:OldIndex",
    }
    points = {name: EntryPoint(name, place, "monitor.indexes") for name, place in places.items()}
    monkeypatch.setattr(plugins, "available", lambda _: points)


def refused(options: dict[str, Any]) -> str:
    with pytest.raises(ConfigError) as error:
        build("indexes", options, PATH)
    assert SECRET not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("group", GROUPS)
def test_built_ins_use_the_same_door_as_everyone(group: str) -> None:
    assert set(available(group)) == {p.name for p in entry_points(group=f"monitor.{group}")}
    if group != "notifiers":
        assert available(group)


def test_fields_are_filled_and_converted() -> None:
    canary = build("detectors", {"type": "canary", "page": "0.002"}, "detectors.canary")
    assert canary == Canary(page=0.002)
    assert build_named("detectors", "canary", {}, "detectors.canary") == Canary()


def test_options_are_left_as_they_were() -> None:
    options = {"type": "canary", "page": 0.002}
    build("detectors", options, "detectors.canary")
    assert options == {"type": "canary", "page": 0.002}


@pytest.mark.usefixtures("shop")
def test_a_third_party_is_built_by_its_fields() -> None:
    index = build("indexes", {"type": "shop", "url": URL, "kind": "tree"}, PATH)
    assert (index.url.get_secret_value(), index.kind, index.shelves) == (URL, "tree", 3)
    assert SECRET not in repr(index)


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, f"{PATH}.type: missing; choose one of lost, renamed, shop"),
        ({"type": 5}, f"{PATH}.type: missing; choose one of lost, renamed, shop"),
        ({"type": "shoop"}, f"{PATH}.type: 'shoop' is not one of lost, renamed, shop; did you mean 'shop'?"),
        ({"type": "zzz"}, f"{PATH}.type: 'zzz' is not one of lost, renamed, shop"),
        ({"type": "shop", "url": URL, "shelfs": 2}, f"{PATH}.shelfs: unknown key; did you mean 'shelves'?"),
        (
            {"type": "shop", "url": URL, "temperature": 2},
            f"{PATH}.temperature: unknown key; known are kind, label, password, shelves, url",
        ),
        ({"type": "shop", "url": URL, "opened": 2}, f"{PATH}.opened: unknown key; "),
        ({"type": "shop"}, f"{PATH}.url: Field required"),
        ({"type": "shop", "url": URL, "shelves": 0}, "shelves must be at least 1, not 0"),
        ({"type": "shop", "url": URL, "shelves": "many"}, f"{PATH}.shelves: Input should be a valid integer"),
        ({"type": "shop", "url": URL, "shelves": "many"}, "(it is 'many')"),
        (
            {"type": "shop", "url": URL, "kind": "heap"},
            f"{PATH}.kind: Input should be 'flat' or 'tree' (it is 'heap')",
        ),
        ({"type": "lost"}, f"{PATH}.type: plug-in 'lost' cannot be loaded"),
        ({"type": "renamed"}, f"{PATH}.type: plug-in 'renamed' cannot be loaded"),
    ],
    ids=str,
)
def test_what_is_wrong_is_said_with_path_and_mend(options: dict[str, Any], said: str) -> None:
    assert said in refused(options)


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize(
    "options",
    [
        {"url": [SECRET]},
        {"url": URL, "kind": URL},
        {"url": URL, "shelves": URL},
        {"url": URL, "password": {SECRET: 1}},
        {"url": URL, "label": [SECRET]},
        {"url": {"password": SECRET}},
    ],
    ids=str,
)
def test_a_value_that_may_be_a_secret_is_not_repeated(options: dict[str, Any]) -> None:
    assert PATH in refused({"type": "shop", **options})


@pytest.mark.usefixtures("shop")
def test_a_number_that_is_a_password_is_not_repeated() -> None:
    with pytest.raises(ConfigError) as error:
        build("indexes", {"type": "shop", "url": URL, "password": 1234567}, PATH)
    assert f"{PATH}.password" in str(error.value)
    assert "1234567" not in str(error.value)


@pytest.mark.usefixtures("shop")
def test_what_a_plug_in_takes_is_known() -> None:
    assert takes("indexes", {"type": "shop"}, "shelves", PATH)
    assert not takes("indexes", {"type": "shop"}, "metric", PATH)
    assert not takes("indexes", {"type": "shop"}, "opened", PATH)
    assert not takes("indexes", {}, "metric", PATH)
    with pytest.raises(ConfigError, match="not one of"):
        takes("indexes", {"type": "zzz"}, "metric", PATH)
