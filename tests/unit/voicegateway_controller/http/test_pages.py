"""Cursors come back as they were given, and nothing else passes for one."""

import base64
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicegateway_controller.errors import BadRequest
from voicegateway_controller.http.pages import CURSOR_CHARS_MAX, Keyset

PAGES = Keyset("requests", datetime, UUID)
KEY = (datetime(2026, 11, 22, 8, 30, 0, 123456, tzinfo=UTC), UUID(int=7))
FILTERS = {"project": "acme", "since": None}


def test_a_cursor_comes_back_as_the_key_it_was_made_of() -> None:
    assert PAGES.read(PAGES.write(KEY, filters=FILTERS), filters=FILTERS) == KEY


def test_no_cursor_is_the_first_page() -> None:
    assert PAGES.read(None) is None
    assert PAGES.read("") is None


@pytest.mark.parametrize("length", [0, 1, 2], ids=["none", "one", "all that was asked for"])
def test_the_last_page_has_no_next(length: int) -> None:
    page = PAGES.cut([KEY] * length, limit=2, key=lambda row: row)

    assert (len(page.rows), page.next) == (length, None)


def test_a_row_too_many_says_that_there_is_more_and_is_left_to_the_next_page() -> None:
    numbers = Keyset("audit", int)

    page = numbers.cut([9, 8, 7], limit=2, key=lambda number: (number,))

    assert page.rows == [9, 8]
    assert numbers.read(page.next) == (8,)


@pytest.mark.parametrize(
    ("keyset", "filters"),
    [
        (Keyset("events", datetime, UUID), FILTERS),
        (PAGES, {"project": "other", "since": None}),
        (PAGES, {}),
        (Keyset("requests", datetime, int), FILTERS),
    ],
    ids=["another list", "another filter's value", "no filters", "other columns"],
)
def test_a_cursor_holds_for_its_own_list_and_filters_only(keyset: Keyset, filters: dict[str, object]) -> None:
    with pytest.raises(BadRequest, match="first page"):
        keyset.read(PAGES.write(KEY, filters=FILTERS), filters=filters)


@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
def test_what_is_made_up_is_refused_and_nothing_else_happens(text: str) -> None:
    if text == "":
        return
    with pytest.raises(BadRequest):
        PAGES.read(text)


@pytest.mark.parametrize("value", [2**63, -(2**63), 2**200], ids=["over", "under", "far over"])
def test_a_number_that_postgres_cannot_take_is_refused(value: int) -> None:
    numbers = Keyset("audit", int)

    with pytest.raises(BadRequest):
        numbers.read(numbers.write((value,)))


@pytest.mark.parametrize("text", ["a\x00b", "x" * CURSOR_CHARS_MAX], ids=["nul", "too long"])
def test_a_text_that_cannot_be_asked_for_is_refused(text: str) -> None:
    names = Keyset("projects", str)

    with pytest.raises(BadRequest):
        names.read(names.write((text,)))


def test_an_instant_without_a_zone_is_refused() -> None:
    moments = Keyset("moments", datetime)

    with pytest.raises(BadRequest):
        moments.read(moments.write((KEY[0].replace(tzinfo=None),)))
