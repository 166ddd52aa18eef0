from __future__ import annotations

import pytest

from monitor.sources.columns import check_columns, complete, hint, named


def test_an_unknown_field_is_named_with_a_close_match() -> None:
    with pytest.raises(ValueError, match=r"columns\.txet: no such field; did you mean 'text'"):
        check_columns({"txet": "query"})


def test_only_labelled_fields_have_labels() -> None:
    check_columns({"segments": {"tenant": "tenant_id"}, "feedback": "feedback"})
    with pytest.raises(ValueError, match=r"columns\.text: must name one column"):
        check_columns({"text": {"a": "b"}})
    with pytest.raises(ValueError, match=r"columns\.text: names no column"):
        check_columns({"text": ""})


@pytest.mark.parametrize("labels", [{"": "tenant_id"}, {"tenant": ""}])
def test_a_label_and_its_column_have_names(labels: dict[str, str]) -> None:
    with pytest.raises(
        ValueError, match=r"columns\.segments\.(tenant)?: a label and its column must have a name"
    ):
        check_columns({"segments": labels})


def test_nothing_given_means_the_fields_own_names() -> None:
    assert complete({}, {"id", "at", "text", "other"}) == {"id": "id", "at": "at", "text": "text"}
    assert complete({})["feedback"] == "feedback"


def test_what_is_given_is_the_whole_mapping_save_for_id_and_time() -> None:
    assert complete({"text": "query"}, {"id", "at", "vector"}) == {"id": "id", "at": "at", "text": "query"}


def test_labels_are_named_by_their_path() -> None:
    assert list(named({"id": "i", "segments": {"tenant": "t"}})) == [("id", "i"), ("segments.tenant", "t")]


def test_a_hint_stays_short() -> None:
    assert hint("xyz", [f"column{i}" for i in range(50)]).endswith("and 38 more")
    assert hint("x", []) == "there is none"
