"""Counts compared: what agrees, and why what does not agree does not."""

from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicegateway_controller.validation.rules import EXPLAINED, Comparison, compare
from voicegateway_shared.usage import METERS


class Request(NamedTuple):
    outcome: str = "ok"
    estimated: bool = False
    attempts: int = 1


def found(usage: dict[str, int], opinions: dict[str, int], **request: Any) -> list[Comparison]:
    return list(compare(Request(**request), usage, opinions))


@pytest.mark.parametrize(
    ("usage", "opinions", "request_", "finding"),
    [
        ({"input_tokens": 10}, {"input_tokens": 10}, {}, "agrees"),
        ({"input_tokens": 10_000}, {"input_tokens": 10_001}, {}, "plugin_over_count"),
        ({"output_tokens": 60}, {"vendor:output_tokens": 61}, {}, "vendor_over_count"),
        ({"output_tokens": 60}, {"vendor:output_tokens": 59}, {}, "vendor_under_count"),
        ({"output_tokens": 60}, {"output_tokens": 20}, {"outcome": "cancelled"}, "interrupted"),
        ({"output_tokens": 60}, {"output_tokens": 20}, {"attempts": 2}, "retried"),
        ({"output_tokens": 60}, {"vendor:output_tokens": 20}, {"attempts": 2, "estimated": True}, "retried"),
        ({"output_tokens": 60}, {"output_tokens": 20}, {"estimated": True}, "estimated"),
        ({"output_tokens": 60}, {"output_tokens": 90}, {"estimated": True}, "estimated"),
        ({"output_tokens": 60}, {"output_tokens": 90}, {"outcome": "cancelled"}, "plugin_over_count"),
        ({"audio_sent_ms": 60_000}, {"audio_sent_ms": 60_300}, {}, "agrees"),
        ({"audio_sent_ms": 60_000}, {"audio_sent_ms": 60_301}, {}, "plugin_over_count"),
        ({"audio_sent_ms": 1_000}, {"vendor:audio_sent_ms": 1_100}, {}, "agrees"),
        ({"audio_sent_ms": 1_000}, {"vendor:audio_sent_ms": 1_101}, {}, "vendor_over_count"),
        ({"socket_open_ms": 299_400}, {"vendor:socket_open_ms": 300_000}, {}, "agrees"),
        ({"audio_sent_ms": 9_000, "audio_pushed_ms": 5_000}, {"audio_sent_ms": 5_020}, {}, "pushed_not_sent"),
        ({"audio_sent_ms": 9_000, "audio_pushed_ms": 5_000}, {"vendor:audio_sent_ms": 5_000}, {}, "vendor_under_count"),
        ({"audio_sent_ms": 9_000, "socket_open_ms": 31_000}, {"audio_sent_ms": 31_400}, {}, "socket_time"),
        ({"audio_sent_ms": 9_000, "socket_open_ms": 31_000}, {"vendor:audio_sent_ms": 31_400}, {}, "vendor_over_count"),
        ({"characters_sent": 40, "characters_pushed": 60}, {"characters_sent": 60}, {}, "pushed_not_sent"),
        ({"characters_sent": 480}, {"characters_sent": 190}, {"outcome": "cancelled"}, "interrupted"),
        ({}, {"vendor:input_tokens": 5}, {}, "vendor_over_count"),
        ({"input_tokens": 5}, {"vendor:input_tokens": 0}, {"outcome": "interrupted"}, "interrupted"),
    ],
)
def test_each_finding(usage: dict[str, int], opinions: dict[str, int], request_: dict[str, Any], finding: str) -> None:
    assert [each.finding for each in found(usage, opinions, **request_)] == [finding]


def test_both_opinions_of_a_meter_are_told_apart() -> None:
    told = found({"input_tokens": 7}, {"input_tokens": 8, "vendor:input_tokens": 7})

    assert told == [
        Comparison("input_tokens", "plugin", 7, 8, "plugin_over_count"),
        Comparison("input_tokens", "vendor", 7, 7, "agrees"),
    ]


counts = st.dictionaries(st.sampled_from(sorted(METERS)), st.integers(0, 10**9), max_size=4)


@given(counts, counts, st.sampled_from(["ok", "cancelled", "interrupted", "error"]), st.booleans(), st.integers(0, 5))
def test_every_opinion_has_one_finding_that_is_explained(
    usage: dict[str, int], opinions: dict[str, int], outcome: str, estimated: bool, attempts: int
) -> None:
    told = found(usage, opinions, outcome=outcome, estimated=estimated, attempts=attempts)

    assert [(each.meter, each.theirs) for each in told] == list(opinions.items())
    assert {each.finding for each in told} <= EXPLAINED.keys()
    assert all(each.finding == "agrees" for each in told if each.ours == each.theirs)
