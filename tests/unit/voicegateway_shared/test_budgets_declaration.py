"""Declarations become budgets, or are refused with the place and the reason."""

from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicegateway_shared.budgets import BudgetSpec, Guards, LoopGuard, parse_budgets
from voicegateway_shared.budgets.declaration import BUDGETS_MAX, SENTENCE_CHARACTERS_MAX, SMALLEST_REQUEST_NANO_USD
from voicegateway_shared.budgets.fields import AMOUNT_NANO_USD_MAX
from voicegateway_shared.budgets.window import CALENDAR_KINDS, WINDOW_KINDS
from voicegateway_shared.errors import ConfigurationError
from voicegateway_shared.limits import Selector
from voicegateway_shared.money import format_usd

PROVIDERS = frozenset({"openai", "elevenlabs", "deepgram"})
DAY: dict[str, Any] = {"project": "acme", "amount": "25.00", "window": "day"}


def _parse(*declared: Any, zone: str = "UTC") -> tuple[BudgetSpec, ...]:
    return parse_budgets(list(declared), providers=PROVIDERS, zone=zone)


def test_a_persons_words_become_budgets() -> None:
    budgets = _parse(
        {"amount": "2000", "window": "month", "action": "warn", "thresholds": [50, 80, 100, 120]},
        {
            "name": "acme-day",
            "project": "acme",
            "agent": "desk-*",
            "amount": "25.000000001",
            "window": "day",
            "zone": "America/New_York",
            "thresholds": [90],
            "action": "end_session",
            "offline": "closed",
            "sentence": "Our time is up, good bye.",
            "guards": {"max_cost": "2.00", "max_duration_s": 1_800, "max_cost_per_min": "0.25"},
        },
        {
            "provider": "openai",
            "modality": "realtime",
            "amount": "3",
            "window": "session",
            "guards": {"loop": {"repeats": 5, "within_s": 60}},
        },
        zone="Europe/Berlin",
    )

    assert budgets == (
        BudgetSpec(
            id="fleet.month",
            selector=Selector(),
            amount_nano_usd=2_000_000_000_000,
            window="month",
            zone="Europe/Berlin",
            thresholds=(50, 80, 100, 120),
            action="warn",
        ),
        BudgetSpec(
            id="acme-day",
            selector=Selector(project="acme", agent="desk-*"),
            amount_nano_usd=25_000_000_001,
            window="day",
            zone="America/New_York",
            thresholds=(90,),
            action="end_session",
            offline="closed",
            sentence="Our time is up, good bye.",
            guards=Guards(max_cost_nano_usd=2_000_000_000, max_cost_per_min_nano_usd=250_000_000, max_duration_s=1_800),
        ),
        BudgetSpec(
            id="openai.realtime.session",
            selector=Selector(provider="openai", modality="realtime"),
            amount_nano_usd=3_000_000_000,
            window="session",
            guards=Guards(loop=LoopGuard(repeats=5, within_s=60)),
        ),
    )
    assert [budget.is_stopping for budget in budgets] == [False, True, True]


def test_nothing_declared_is_no_budget() -> None:
    assert parse_budgets(None, providers=PROVIDERS) == parse_budgets([], providers=PROVIDERS) == ()


def test_a_budget_survives_the_wire() -> None:
    [budget] = _parse({**DAY, "guards": {"max_cost": "1", "loop": {"repeats": 2, "within_s": 9}}})

    assert msgspec.json.decode(msgspec.json.encode(budget), type=BudgetSpec) == budget


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"amount": None}, "budgets[0].amount: None is no amount; write USD in quotes"),
        ({"amount": 25.0}, "budgets[0].amount: 25.0 is a float, which has already been rounded; write the amount in"),
        ({"amount": 25}, "25 is no amount; write USD in quotes"),
        ({"amount": True}, "True is no amount"),
        ({"amount": ["25"]}, "is no amount"),
        ({"amount": "$25"}, "'$25' is not an amount in USD"),
        ({"amount": "25,00"}, "'25,00' is not an amount in USD"),
        ({"amount": "1e3"}, "'1e3' is not an amount in USD"),
        ({"amount": "nan"}, "'nan' is not an amount in USD"),
        ({"amount": ""}, "'' is not an amount in USD"),
        ({"amount": "-5"}, "'-5' must be more than nothing; to stop all requests, disable the provider"),
        ({"amount": "0.00"}, "'0.00' must be more than nothing"),
        ({"amount": "1.0000000001"}, "is finer than a nano-dollar"),
        ({"amount": "0.000039999"}, "is below one request's price (about 0.00004 USD)"),
        ({"amount": "0.0009", "modality": "realtime"}, "is below one request's price (about 0.001 USD)"),
        ({"amount": "4503599.627370497"}, "is absurd; at most 4503599.627370496 per window can be counted exactly"),
        ({"amount": "999999999999"}, "is absurd"),
        ({"window": None}, "budgets[0].window: a window must end, and None never does"),
        ({"window": "never"}, "where `total` is for an amount that is meant once and for all"),
        ({"window": " Forever "}, "a window must end"),
        ({"window": "year"}, "'year' is none of hour, day, week, month, rolling_24h, total, session"),
        ({"window": 24}, "24 is none of hour"),
        ({"zone": "Europe/Berln"}, "'Europe/Berln' is no known zone; did you mean 'Europe/Berlin'?"),
        ({"zone": "europe/berlin"}, "is no known zone; did you mean 'Europe/Berlin'?"),
        ({"zone": "+02:00"}, "is no known zone; write an IANA name"),
        ({"zone": "localtime"}, "is no known zone"),
        ({"zone": "../../etc/passwd"}, "is no known zone"),
        ({"zone": 2}, "2 is no known zone"),
        ({"zone": "UTC", "window": "rolling_24h"}, "budgets[0].zone: rolling_24h knows no calendar, so no zone"),
        ({"zone": "UTC", "window": "session"}, "session knows no calendar"),
        ({"thresholds": 80}, "budgets[0].thresholds: must be a list of whole percents"),
        ({"thresholds": "80"}, "must be a list of whole percents"),
        ({"thresholds": [0]}, "0 must be from 1 to 1,000"),
        ({"thresholds": [0.5]}, "0.5 is no whole number"),
        ({"thresholds": ["80%"]}, "'80%' is no whole number"),
        ({"thresholds": [80, 50]}, "[80, 50] must rise"),
        ({"thresholds": [50, 50]}, "[50, 50] must rise"),
        ({"thresholds": list(range(1, 12))}, "more than 10 thresholds"),
        ({"thresholds": [120]}, "120 is never reached, because the action 'block' stops spending at 100"),
        ({"action": "explode"}, "budgets[0].action: 'explode' is none of warn, throttle, block, end_session"),
        ({"action": None}, "None is none of warn"),
        ({"offline": "fair_share"}, "'fair_share' is none of open, closed, last_lease"),
        ({"sentence": "Bye.", "action": "warn"}, "nobody would hear it, because the action 'warn' refuses no turn"),
        ({"sentence": ""}, "'' is no sentence that can be spoken"),
        ({"sentence": "two\nlines"}, "is no sentence that can be spoken"),
        ({"sentence": 7}, "7 is no sentence"),
        ({"sentence": "a" * (SENTENCE_CHARACTERS_MAX + 1)}, "301 characters are more than the 300"),
        ({"project": ""}, "budgets[0].project: '' is no text; leave it out to mean every project"),
        ({"project": None}, "None is no text; leave it out to mean every project"),
        ({"project": 7}, "7 is no text"),
        ({"provider": "opnai"}, "unknown provider 'opnai'; did you mean 'openai'?"),
        ({"modality": "video"}, "'video' is none of stt, llm, tts, realtime"),
        ({"name": "Über"}, "budgets[0].name: 'Über' must be 1 to 64 of a-z"),
        ({"name": "a{b}"}, "budgets[0].name"),
        ({"session": "s-1"}, "to give each session a budget of its own, write `window: session`"),
        ({"ammount": "5"}, "unknown key 'ammount'; did you mean 'amount'?"),
        ({"currency": "EUR"}, "unknown key 'currency'"),
        ({"guards": 5}, "budgets[0].guards: must be a mapping of max_cost"),
        ({"guards": {}}, "guards nothing"),
        ({"guards": {"max_costs": "1"}}, "unknown key 'max_costs'; known are max_cost"),
        ({"guards": {"max_cost": 1.5}}, "budgets[0].guards.max_cost: 1.5 is a float"),
        ({"guards": {"max_cost": "1"}, "window": "session"}, "the budget's amount already says what a session may"),
        ({"guards": {"max_cost": "26"}, "window": "total"}, "26 is above the budget's amount (25), so it can never be"),
        ({"guards": {"max_cost": "2", "max_cost_per_min": "3"}}, "3 is above what a session may cost at all (2)"),
        ({"guards": {"max_cost_per_min": "26"}, "window": "session"}, "26 is above what a session may cost at all"),
        ({"guards": {"max_duration_s": 9}}, "guards.max_duration_s: 9 must be from 10 to 86,400"),
        ({"guards": {"max_duration_s": 86_401}}, "must be from 10 to 86,400"),
        ({"guards": {"max_duration_s": 60.0}}, "60.0 is no whole number"),
        ({"guards": {"loop": 5}}, "guards.loop: must be a mapping of repeats, within_s"),
        ({"guards": {"loop": {"repeats": 5}}}, "guards.loop.within_s: is missing"),
        ({"guards": {"loop": {"repeats": 1, "within_s": 60}}}, "guards.loop.repeats: 1 must be from 2 to 100"),
        ({"guards": {"loop": {"repeats": 5, "within_s": 3_601}}}, "guards.loop.within_s: 3601 must be from 1 to 3,600"),
    ],
)  # fmt: skip
def test_a_wrong_declaration_is_refused_with_its_place_and_reason(changed: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        _parse({**DAY, **changed})

    assert str(refused.value).startswith("budgets[0]")
    assert reason in str(refused.value)


@pytest.mark.parametrize("document", [7, "acme", DAY])
def test_a_document_that_is_no_list_is_refused(document: object) -> None:
    with pytest.raises(ConfigurationError, match="budgets: must be a list of budgets"):
        parse_budgets(document, providers=PROVIDERS)


def test_a_declaration_that_is_no_mapping_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"budgets\[1\]: must be a mapping"):
        _parse(DAY, "25.00")


def test_a_default_zone_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="budgets: the zone for all: 'Mars' is no known zone"):
        _parse(DAY, zone="Mars")


def test_more_budgets_than_are_supported_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="501 budgets are more than the 500"):
        _parse(*[DAY] * (BUDGETS_MAX + 1))


@pytest.mark.parametrize(
    ("one", "other", "reason"),
    [
        ({"name": "a"}, {"name": "a", "window": "hour"}, "budgets[1]: the name 'a' is taken by budgets[0]"),
        ({}, {"action": "warn"}, "the name 'acme.day' is taken by budgets[0]; give it another `name`"),
        ({"name": "a"}, {"name": "b", "amount": "5"}, "'a' and 'b' overlap: both block project=acme per day; keep one"),
        (
            {},
            {"name": "llm", "amount": "26", "modality": "llm"},
            "budget 'llm' ($26 per day) contradicts 'acme.day' ($25 per day), which stops project=acme before",
        ),
        ({}, {"name": "desk", "agent": "desk", "amount": "26"}, "can never be reached; lower it"),
        ({}, {"name": "told", "action": "warn", "amount": "30"}, "budget 'told' ($30 per day) contradicts 'acme.day'"),
        ({}, {"name": "ends", "action": "end_session", "amount": "30"}, "budget 'ends' ($30 per day) contradicts"),
        ({"window": "month"}, {"amount": "26"}, "budget 'acme.day' ($26 per day) contradicts 'acme.month'"),
        ({"window": "month"}, {"amount": "26", "window": "hour"}, "contradicts 'acme.month'"),
        ({"window": "total"}, {"amount": "26", "window": "session"}, "contradicts 'acme.total'"),
        ({"window": "total"}, {"amount": "26", "zone": "Asia/Tokyo"}, "contradicts 'acme.total'"),
        ({"window": "rolling_24h"}, {"amount": "26", "window": "hour"}, "contradicts 'acme.rolling_24h'"),
    ],
)  # fmt: skip
def test_budgets_that_contradict_each_other_are_refused(
    one: dict[str, Any], other: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        _parse({**DAY, **one}, {**DAY, **other})

    assert reason in str(refused.value)


def test_the_order_of_budgets_does_not_hide_a_contradiction() -> None:
    with pytest.raises(ConfigurationError, match=r"'desk' \(\$26 per day\) contradicts 'fleet.day'"):
        _parse({**DAY, "name": "desk", "amount": "26"}, {"amount": "25", "window": "day"})


@pytest.mark.parametrize("declared", [
    # What only warns or slows does not stop a larger one from being reached.
    [{"action": "warn"}, {"name": "stop", "amount": "50"}],
    [{"action": "throttle"}, {"name": "stop", "amount": "50", "agent": "desk"}],
    # The same money for a part as for the whole is no contradiction.
    [{}, {"name": "desk", "agent": "desk"}],
    # Neither is within the other.
    [{}, {"name": "other", "project": "umbrella", "amount": "50"}],
    [{"window": "week"}, {"window": "month", "amount": "50"}],
    [{"window": "week", "amount": "50"}, {"window": "month"}],
    [{"window": "rolling_24h"}, {"amount": "50"}],
    [{}, {"window": "session", "amount": "50"}],
    [{}, {"name": "tokyo", "zone": "Asia/Tokyo", "amount": "50"}],
    [{"window": "day"}, {"window": "month", "amount": "500"}],
])  # fmt: skip
def test_budgets_that_can_all_be_reached_stand_beside_each_other(declared: list[dict[str, Any]]) -> None:
    assert len(_parse(*[{**DAY, **each} for each in declared])) == 2


def test_a_session_may_cost_more_than_a_day_it_outlasts_and_more_than_what_only_warns() -> None:
    budgets = _parse(
        {**DAY, "guards": {"max_cost": "26"}},
        {**DAY, "name": "told", "window": "total", "action": "warn", "guards": {"max_cost": "26"}},
    )

    assert [budget.guards.max_cost_nano_usd for budget in budgets] == [26 * 10**9] * 2


@settings(deadline=None)  # The first to name a zone reads it from the disk.
@given(nano=st.integers(1, AMOUNT_NANO_USD_MAX + 10**9), window=st.sampled_from(WINDOW_KINDS))
def test_an_amount_is_taken_exactly_or_refused(nano: int, window: str) -> None:
    declared = {"amount": format_usd(nano * 1_000), "window": window}
    if SMALLEST_REQUEST_NANO_USD[""] <= nano <= AMOUNT_NANO_USD_MAX:
        [budget] = _parse(declared)
        assert budget.amount_nano_usd == nano
        assert budget.zone == "UTC" or window in CALENDAR_KINDS
        return
    with pytest.raises(ConfigurationError, match=r"^budgets\[0\].amount"):
        _parse(declared)


documents = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.sampled_from(["5.00", "day", "session", "block", "acme", "openai", "UTC"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["amount", "window", "project", "name", "zone", "thresholds", "action", "guards", "loop"])
            | st.text(max_size=5),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@settings(deadline=None)  # The first to name a zone reads it from the disk.
@given(document=documents)
def test_any_document_is_parsed_or_refused_and_nothing_else(document: object) -> None:
    budgets: tuple[BudgetSpec, ...] = ()
    with suppress(ConfigurationError):
        budgets = parse_budgets(document, providers=PROVIDERS)

    assert all(budget.id and 0 < budget.amount_nano_usd <= AMOUNT_NANO_USD_MAX for budget in budgets)
