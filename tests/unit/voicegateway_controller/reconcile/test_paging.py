"""However a vendor parts its buckets into pages, the lines are the same."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicegateway_controller.reconcile.errors import VendorUnavailable
from voicegateway_controller.reconcile.sources.answers import Window, bucket_note, midnight, unix_s
from voicegateway_controller.reconcile.sources.vendor_api import Answer, Params, VendorApi

NOW = datetime(2026, 11, 20, tzinfo=UTC)


class Scripted(VendorApi):
    """Answers pages of buckets; a page's name is where it begins."""

    def __init__(self, sizes: Sequence[int], *, loops_at: int | None = None) -> None:
        super().__init__("openai", url="", headers={}, secret="", refusal="", now=NOW)
        self._starts = [sum(sizes[:index]) for index in range(len(sizes))]
        self._sizes = list(sizes)
        self._loops_at = loops_at
        self.asked: list[Params] = []

    async def get(self, path: str, params: Params = ()) -> Answer:
        self.asked.append(params)
        page = dict(params).get("page", "p0")
        index = [f"p{start}" for start in self._starts].index(page) if page != "p0" else 0
        buckets: list[dict[str, Any]] = [{"n": self._starts[index] + each} for each in range(self._sizes[index])]
        has_more = index + 1 < len(self._sizes)
        follows = f"p{self._starts[index + 1]}" if has_more else None
        if self._loops_at is not None and index == self._loops_at:
            return {"data": buckets, "has_more": True, "next_page": f"p{self._starts[1]}"}
        return {"data": buckets, "has_more": has_more, "next_page": follows}


@given(st.lists(st.integers(1, 9), min_size=1, max_size=30))
def test_all_pages_are_read_once_and_in_their_order(sizes: list[int]) -> None:
    api = Scripted(sizes)

    pages = asyncio.run(api.get_all("/x", [("limit", "31")]))

    assert [bucket["n"] for _, page in pages for bucket in page["data"]] == list(range(sum(sizes)))
    assert len(api.asked) == len(sizes)
    assert all(dict(each)["limit"] == "31" for each in api.asked)


@given(st.integers(2, 9), st.data())
def test_pages_that_lead_back_end(pages: int, data: st.DataObject) -> None:
    api = Scripted([2] * pages, loops_at=data.draw(st.integers(1, pages - 1)))

    with pytest.raises(VendorUnavailable, match="there is more, and not where"):
        asyncio.run(api.get_all("/x", []))
    assert len(api.asked) <= pages


@given(st.dates(date(2024, 1, 1), date(2030, 12, 31)), st.integers(0, 3))
def test_a_window_wants_its_month_and_asks_for_more(day: date, edge_days: int) -> None:
    window = Window(day, edge_days=edge_days)

    wanted = [each for each in (window.start + timedelta(days=n) for n in range(window.days)) if window.wants(each)]
    assert window.wants(day)
    assert wanted[0] == window.month - timedelta(days=edge_days)
    assert wanted[-1] == window.next_month + timedelta(days=edge_days - 1)
    assert window.start < window.month < window.next_month < window.end
    assert unix_s(day) % 86_400 == 0


def test_buckets_that_were_cut_off_within_the_month_are_told() -> None:
    window = Window(date(2026, 10, 1))
    starts = [midnight(date(2026, 10, 1)), midnight(date(2026, 9, 30)) + timedelta(hours=12)]

    assert bucket_note(starts, window) is None
    note = bucket_note([*starts, midnight(date(2026, 10, 2)) + timedelta(hours=14)], window)
    assert note == "1 buckets do not begin at midnight UTC, the first at 2026-10-02 14:00: they were cut off"
