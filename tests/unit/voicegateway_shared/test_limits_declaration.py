"""Declarations become pools, or are refused with the place and the reason."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from voicegateway_shared.errors import ConfigurationError
from voicegateway_shared.limits import PoolSpec, Selector, Target, parse_limits
from voicegateway_shared.limits.declaration import (
    LIMITS_MAX,
    PROJECTS_MAX,
    RATE_KEYS,
    SLOTS_MAX,
    SMALLEST_REQUEST,
    UNITS_MAX,
)
from voicegateway_shared.limits.pool import EXACT_MAX

PROVIDERS = frozenset({"openai", "elevenlabs", "assemblyai", "groq"})


def _parse(*declared: Any) -> tuple[PoolSpec, ...]:
    return parse_limits(list(declared), providers=PROVIDERS)


def test_vendors_own_terms_become_pools() -> None:
    pools = _parse(
        {"provider": "openai", "model": "gpt-4.1-mini", "requests_per_min": 500, "tokens_per_min": "200k"},
        {"provider": "elevenlabs", "concurrent": 10, "offline": "closed"},
        {"provider": "assemblyai", "new_sessions_per_min": 5, "burst": 2},
        {"name": "batch-audio", "provider": "groq", "audio_seconds_per_hour": 7_200, "min_shares": {"acme": "25%"}},
    )

    openai = Selector(provider="openai", model="gpt-4.1-mini")
    assert pools == (
        PoolSpec(
            id="openai.gpt-4.1-mini:requests_per_min",
            limit="openai.gpt-4.1-mini",
            meter="requests",
            selector=openai,
            units=500,
            period_ms=60_000,
            burst=84,
        ),
        PoolSpec(
            id="openai.gpt-4.1-mini:tokens_per_min",
            limit="openai.gpt-4.1-mini",
            meter="tokens",
            selector=openai,
            units=200_000,
            period_ms=60_000,
            burst=33_334,
        ),
        PoolSpec(
            id="elevenlabs:concurrent",
            limit="elevenlabs",
            meter="slots",
            selector=Selector(provider="elevenlabs"),
            slots=10,
            offline="closed",
        ),
        PoolSpec(
            id="assemblyai:new_sessions_per_min",
            limit="assemblyai",
            meter="sessions",
            selector=Selector(provider="assemblyai"),
            units=5,
            period_ms=60_000,
            burst=2,
        ),
        PoolSpec(
            id="batch-audio:audio_seconds_per_hour",
            limit="batch-audio",
            meter="audio_ms",
            selector=Selector(provider="groq"),
            units=7_200_000,
            period_ms=3_600_000,
            burst=60_000,
            min_shares_permille={"acme": 250},
        ),
    )


def test_nothing_declared_is_no_pool() -> None:
    assert parse_limits(None, providers=PROVIDERS) == parse_limits([], providers=PROVIDERS) == ()


@pytest.mark.parametrize(
    ("declared", "reason"),
    [
        (7, "limits[0]: must be a mapping"),
        ({}, "limits[0]: says not whom it limits"),
        ({"concurrent": 1}, "limits[0]: says not whom it limits"),
        ({"provider": "openai"}, "limits[0]: limits nothing"),
        ({"provider": "openai", "requests_per_min": None}, "limits[0]: limits nothing"),
        (
            {"provider": "opnai", "concurrent": 1},
            "limits[0].provider: unknown provider 'opnai'; did you mean 'openai'?",
        ),
        ({"provider": 7, "concurrent": 1}, "limits[0].provider: 7 is no text"),
        ({"provider": "openai", "model": "", "concurrent": 1}, "limits[0].model: '' is no text"),
        ({"provider": "openai", "modality": "video", "concurrent": 1}, "limits[0].modality: 'video' is none of"),
        (
            {"provider": "openai", "request_per_min": 1},
            "unknown key 'request_per_min'; did you mean 'requests_per_min'?",
        ),
        ({"provider": "openai", "requests_per_min": 0}, "limits[0].requests_per_min: 0 must be at least 1"),
        ({"provider": "openai", "requests_per_min": -5}, "limits[0].requests_per_min: -5 must be at least 1"),
        ({"provider": "openai", "requests_per_min": 1.5}, "1.5 is no whole number; write 500, 200k or 2M"),
        ({"provider": "openai", "requests_per_min": True}, "True is no whole number"),
        ({"provider": "openai", "requests_per_min": "many"}, "'many' is no whole number"),
        ({"provider": "openai", "requests_per_min": "-5"}, "'-5' is no whole number"),
        ({"provider": "openai", "requests_per_min": UNITS_MAX + 1}, "is absurd; at most"),
        ({"provider": "groq", "audio_seconds_per_day": UNITS_MAX}, "is absurd; at most"),
        ({"provider": "openai", "concurrent": SLOTS_MAX + 1}, "limits[0].concurrent: 1000001 is absurd"),
        ({"provider": "openai", "concurrent": 0}, "limits[0].concurrent: 0 must be at least 1"),
        ({"provider": "openai", "tokens_per_min": 400}, "below one request's size (500 tokens)"),
        (
            {"provider": "openai", "tokens_per_min": "1M", "burst": 499},
            "at most 499 at once is below one request's size",
        ),
        ({"provider": "openai", "characters_per_s": 50}, "below one request's size (100 characters)"),
        ({"provider": "openai", "requests_per_min": 5, "tokens_per_min": "9k", "burst": 5}, "burst: say of which rate"),
        ({"provider": "openai", "concurrent": 5, "burst": 5}, "burst: say of which rate"),
        ({"provider": "openai", "requests_per_min": 5, "burst": {"tokens_per_min": 5}}, "is no rate of this limit"),
        ({"provider": "openai", "concurrent": 5, "weights": {"acme": 0}}, "limits[0].weights.acme: 0 must be at least"),
        ({"provider": "openai", "concurrent": 5, "weights": {"acme": 1_001}}, "weights.acme: 1001 is absurd"),
        ({"provider": "openai", "concurrent": 5, "weights": [1]}, "weights: must map projects to numbers"),
        (
            {"provider": "openai", "concurrent": 5, "weights": {f"p{n}": 1 for n in range(PROJECTS_MAX + 1)}},
            "weights: more than 200 projects",
        ),
        ({"provider": "openai", "concurrent": 5, "min_shares": {"acme": 20}}, "20 is no whole share from 1% to 100%"),
        ({"provider": "openai", "concurrent": 5, "min_shares": {"acme": "101%"}}, "no whole share from 1% to 100%"),
        ({"provider": "openai", "concurrent": 5, "min_shares": {"acme": "0%"}}, "no whole share from 1% to 100%"),
        ({"provider": "openai", "concurrent": 5, "min_shares": {"a": "60%", "b": "50%"}}, "add up to 110%"),
        ({"provider": "openai", "concurrent": 5, "offline": "panic"}, "'panic' is none of fair_share, open, closed"),
        ({"provider": "openai", "concurrent": 5, "name": "Über"}, "limits[0].name: 'Über' must be 1 to 64 of a-z"),
        ({"provider": "openai", "concurrent": 5, "name": "a{b}"}, "limits[0].name"),
        ({"provider": "openai", "concurrent": 5, "name": ""}, "limits[0].name"),
    ],
)
def test_a_wrong_declaration_is_refused_with_its_place_and_reason(declared: Any, reason: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        _parse(declared)

    assert reason in str(refused.value)


@pytest.mark.parametrize("document", [7, "openai", {"provider": "openai"}])
def test_a_document_that_is_no_list_is_refused(document: object) -> None:
    with pytest.raises(ConfigurationError, match="limits: must be a list of limits"):
        parse_limits(document, providers=PROVIDERS)


def test_more_limits_than_are_supported_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="501 limits are more than the 500"):
        _parse(*[{"provider": "openai", "concurrent": 1}] * (LIMITS_MAX + 1))


@pytest.mark.parametrize(
    ("one", "other", "reason"),
    [
        (
            {"name": "a", "provider": "openai", "concurrent": 5},
            {"name": "a", "provider": "groq", "concurrent": 5},
            "limits[1]: the name 'a' is taken by limits[0]",
        ),
        (
            {"provider": "openai", "model": "a b", "concurrent": 5},
            {"provider": "openai", "model": "a-b", "concurrent": 5},
            "is taken by limits[0]; give it another `name`",
        ),
        (
            {"name": "a", "provider": "openai", "requests_per_min": 5},
            {"name": "b", "provider": "openai", "requests_per_min": 6},
            "limits 'a' and 'b' overlap",
        ),
        (
            {"provider": "openai", "concurrent": 5},
            {"provider": "openai", "model": "gpt-5", "concurrent": 6},
            "'openai.gpt-5:concurrent' (6) contradicts 'openai:concurrent' (5)",
        ),
        (
            {"provider": "openai", "model": "gpt-4.1-mini", "requests_per_min": 600},
            {"provider": "openai", "model": "gpt-4*", "requests_per_min": 500},
            "can never be reached; lower it",
        ),
    ],
)
def test_limits_that_contradict_each_other_are_refused(one: Any, other: Any, reason: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        _parse(one, other)

    assert reason in str(refused.value)


def test_narrower_limits_may_stand_within_wider_ones() -> None:
    pools = _parse(
        {"provider": "openai", "requests_per_min": 500, "requests_per_day": 10_000},
        {"provider": "openai", "project": "acme", "requests_per_min": 100},
        {"provider": "openai", "model": "gpt-5", "requests_per_min": 500},
    )

    assert [pool.units for pool in pools] == [500, 10_000, 100, 500]


FULL = Target(provider="openai", model="gpt-4.1-mini", modality="llm", account="k-1", project="acme", agent="desk-2")


@pytest.mark.parametrize(
    ("selector", "is_match"),
    [
        (Selector(), True),
        (Selector(provider="openai"), True),
        (Selector(provider="groq"), False),
        (Selector(model="gpt-4.1-mini"), True),
        (Selector(model="gpt-4*"), True),
        (Selector(model="gpt-5*"), False),
        (Selector(model="GPT-4*"), False),
        (Selector(agent="desk-*"), True),
        (Selector(project="ac*"), False),
        (Selector(account="k-1", project="acme", modality="llm"), True),
        (Selector(account="k-2"), False),
        (Selector(modality="tts"), False),
    ],
)
def test_every_field_that_is_given_must_match(selector: Selector, is_match: bool) -> None:
    assert selector.matches(FULL) is is_match


quantities = st.integers(1, UNITS_MAX)


@given(key=st.sampled_from(sorted(RATE_KEYS)), units=quantities, burst=st.none() | quantities)
def test_a_rate_is_taken_whole_or_refused_with_its_place(key: str, units: int, burst: int | None) -> None:
    meter, factor, period_ms = RATE_KEYS[key]
    declared: dict[str, Any] = {"provider": "openai", key: units}
    if burst is not None:
        declared["burst"] = burst
    at_once = units if burst is None else burst
    if max(units, at_once) * factor > UNITS_MAX or at_once * factor < SMALLEST_REQUEST[meter]:
        with pytest.raises(ConfigurationError, match=f"^limits\\[0\\].{key}"):
            _parse(declared)
        return

    [pool] = _parse(declared)

    assert (pool.units, pool.period_ms) == (units * factor, period_ms)
    assert pool.burst == burst * factor if burst is not None else pool.burst <= pool.units
    assert pool.burst >= SMALLEST_REQUEST[meter]


@given(units=quantities, period_ms=st.sampled_from([1_000, 60_000, 3_600_000, 86_400_000]), burst=quantities)
def test_a_scaled_rate_is_never_above_the_declared_one_and_stays_exact(units: int, period_ms: int, burst: int) -> None:
    pool = PoolSpec(
        id="x:y", limit="x", meter="tokens", selector=Selector(), units=units, period_ms=period_ms, burst=burst
    )

    n, d = pool.scaled_rate()

    assert n * period_ms * 1000 <= units * d
    assert d >= 1
    assert burst * d <= EXACT_MAX


texts = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["provider", "model", "name", "burst", "weights", "min_shares", "concurrent", *RATE_KEYS])
            | st.text(max_size=5),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(document=texts)
def test_any_document_is_parsed_or_refused_and_nothing_else(document: object) -> None:
    pools: tuple[PoolSpec, ...] = ()
    with suppress(ConfigurationError):
        pools = parse_limits(document, providers=PROVIDERS)

    assert all(pool.id and (pool.slots > 0 or (pool.units > 0 and pool.burst > 0)) for pool in pools)


@given(
    provider=st.sampled_from(["", "openai", "groq"]),
    model=st.sampled_from(["", "gpt-4*", "gpt-4.1-mini", "*"]),
    narrow=st.sampled_from(["gpt-4.1-mini", "gpt-4*", "gpt-5"]),
    target_model=st.sampled_from(["gpt-4.1-mini", "gpt-4o", "gpt-5"]),
)
def test_what_a_selector_covers_it_also_matches(provider: str, model: str, narrow: str, target_model: str) -> None:
    wide, small = Selector(provider=provider, model=model), Selector(provider="openai", model=narrow)
    target = Target(provider="openai", model=target_model, modality="llm")

    assert not (wide.covers(small) and small.matches(target)) or wide.matches(target)


def test_the_guides_example_is_right() -> None:
    document = yaml.safe_load((Path(__file__).parents[3] / "docs/guides/limits.yaml").read_text())

    assert len(parse_limits(document["limits"], providers=("openai", "deepgram", "cartesia"))) == 6
