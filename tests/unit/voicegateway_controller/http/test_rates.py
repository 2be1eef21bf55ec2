"""Buckets let through what they should, and forget who is long gone."""

from hypothesis import given
from hypothesis import strategies as st

from voicegateway_controller.http import rates
from voicegateway_controller.http.addresses import Proxies, counted_as
from voicegateway_controller.http.rates import BURST_S, Rates


class _Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@given(
    per_s=st.sampled_from([0.1, 0.5, 1.0, 3.0, 50.0]),
    waits_ms=st.lists(st.integers(min_value=0, max_value=3_000), min_size=1, max_size=200),
)
def test_never_more_than_a_burst_and_the_rate_and_never_refused_below_it(per_s: float, waits_ms: list[int]) -> None:
    clock = _Clock()
    buckets = Rates(per_s, monotonic=clock)
    burst = max(1, int(per_s * BURST_S))
    allowed = 0
    level = float(burst)
    for wait_ms in waits_ms:
        clock.now_s += wait_ms / 1_000
        level = min(burst, level + wait_ms / 1_000 * per_s)
        verdict = buckets.take("caller")
        if verdict.is_allowed:
            allowed += 1
            level -= 1
        assert level > -1e-6
        assert verdict.is_allowed or level < 1 + 1e-6
        assert 0 <= verdict.remaining <= burst
    elapsed_s = clock.now_s - 100.0
    assert allowed <= burst + elapsed_s * per_s + 1e-6


def test_who_waits_as_long_as_it_was_told_is_let_through() -> None:
    clock = _Clock()
    buckets = Rates(0.3, monotonic=clock)
    while (verdict := buckets.take("caller")).is_allowed:
        pass
    clock.now_s += verdict.reset_s

    assert buckets.take("caller").is_allowed


def test_as_many_callers_are_remembered_as_there_is_room_for() -> None:
    buckets = Rates(1.0, monotonic=_Clock())
    for number in range(rates.CALLERS_MAX + 5):
        buckets.take(number)

    assert len(buckets._full_at) == rates.CALLERS_MAX


def test_an_ipv6_line_counts_as_one_address() -> None:
    assert counted_as("2001:db8:1:2::1") == counted_as("2001:db8:1:2:ffff::9") != counted_as("2001:db8:1:3::1")
    assert counted_as("::ffff:192.0.2.1") == counted_as("192.0.2.1") == "192.0.2.1"
    assert counted_as("fe80::1%eth0") == "fe80::/64"
    assert counted_as("testclient") == "testclient"


def test_a_proxy_is_one_by_its_address_or_its_network() -> None:
    proxies = Proxies(["10.0.0.0/8", "192.0.2.7"])

    assert "10.1.2.3" in proxies
    assert "192.0.2.7" in proxies
    assert "192.0.2.8" not in proxies
    assert "no address" not in proxies
