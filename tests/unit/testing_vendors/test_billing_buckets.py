"""Buckets and pages: whatever their size, they hold the same."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicegateway.testing.vendors.billing.buckets import page_token, window
from voicegateway.testing.vendors.billing.charges import Charge, ChargedMeter
from voicegateway.testing.vendors.billing.server import BadQuery

START = datetime(2026, 10, 1, tzinfo=UTC)
LENGTH = timedelta(days=9)
SECONDS = int(LENGTH.total_seconds())


def _charge(second: int, pico: int = 1) -> Charge:
    return Charge(
        vendor="openai",
        request_id=str(second),
        at=START + timedelta(seconds=second),
        model="m",
        modality="llm",
        meters=(ChargedMeter("input_tokens", 1, pico),),
    )


@settings(max_examples=60, deadline=None)
@given(
    seconds=st.lists(st.integers(0, SECONDS - 1), max_size=30),
    size=st.integers(1, 12),
    offset_s=st.integers(0, 86_400),
    width=st.sampled_from(["1h", "1d"]),
)
def test_pages_of_any_size_hold_each_charge_once(seconds: list[int], size: int, offset_s: int, width: str) -> None:
    charges = [_charge(second) for second in sorted(seconds)]
    start = START + timedelta(seconds=offset_s)
    found, page, bounds = [], None, []
    for _ in range(400):
        asked = window(
            start=start, end=START + LENGTH, width=width, limit="31", limits=(7, 168), page=page, page_size=size
        )
        buckets, has_more = asked.buckets(charges)
        found += [charge.request_id for bucket in buckets for charge in bucket.charges]
        bounds += [(bucket.start, bucket.end) for bucket in buckets]
        if not has_more:
            break
        page = page_token(asked.offset + asked.limit)

    assert found == [charge.request_id for charge in charges if charge.at >= start]
    assert (bounds[0][0], bounds[-1][1]) == (start, START + LENGTH)
    assert all(left[1] == right[0] for left, right in pairwise(bounds))


@pytest.mark.parametrize("page", ["", "page_", "page_%%%", "page_bm8", "bucket:3"])
def test_a_page_that_was_never_given_out_is_refused(page: str) -> None:
    with pytest.raises(BadQuery, match="page"):
        window(start=START, end=START + LENGTH, width="1d", limit=None, limits=(7, 31), page=page, page_size=None)
