from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from monitor.records import Record
from monitor.segments import (
    REST,
    Slice,
    family_order,
    is_name,
    is_safe,
    join_name,
    parent_of,
    segment_name,
)
from tests.core_fakes import world

TENANTS = Slice("tenant", {"acme": "acme", "Globex Ltd": "globex"})


@given(st.text())
def test_no_text_of_a_user_becomes_a_name(value: str) -> None:
    name = segment_name(value)
    assert is_name(name)
    assert len(name) <= 63
    assert name.isascii()
    assert (name == value) is is_safe(value)


def test_a_hash_is_no_safe_name_and_neither_is_the_rest() -> None:
    # A tenant that calls itself so gets a hash of its own and slips into nobody else's segment.
    for name in (REST, segment_name("someone@example.com")):
        assert not is_safe(name)
        assert segment_name(name) != name
    assert not is_name(REST)


def test_a_segment_stands_behind_its_collection() -> None:
    names = ["docs-2", "docs/tenant=b", "docs", "docs.old", "docs/tenant=a", "a"]
    assert sorted(names, key=family_order) == [
        "a",
        "docs",
        "docs/tenant=a",
        "docs/tenant=b",
        "docs-2",
        "docs.old",
    ]
    assert parent_of(join_name("docs", ("tenant", "a"))) == "docs"
    assert parent_of("docs") is None


def test_a_record_is_in_the_segment_of_its_label() -> None:
    record = Record("1", world.START, segments={"tenant": "Globex Ltd", "language": "en"})
    assert TENANTS.name_of(record.segments) == "globex"
    assert TENANTS.name_of({"tenant": "acme"}) == "acme"
    assert TENANTS.name_of({"tenant": "globex"}) is None  # a name is not the value that it stands for
    assert TENANTS.name_of({"language": "acme"}) is None
    assert TENANTS.parts() == (("tenant", "acme"), ("tenant", "globex"))


def test_the_rest_is_what_has_no_segment_or_no_label() -> None:
    rest = Slice("tenant", {"acme": "acme"}, rest=True)
    assert [rest.name_of(labels) for labels in ({"tenant": "acme"}, {"tenant": "x"}, {"tenant": ""}, {})] == [
        "acme",
        REST,
        REST,
        REST,
    ]
    assert rest.parts()[-1] == ("tenant", REST)


def test_a_value_is_found_by_its_hash_where_only_that_was_kept() -> None:
    hashed = segment_name("someone@example.com")
    frozen = Slice("client", {hashed: hashed})
    assert frozen.name_of({"client": "someone@example.com"}) == hashed
    assert frozen.name_of({"client": "someone@example.org"}) is None
