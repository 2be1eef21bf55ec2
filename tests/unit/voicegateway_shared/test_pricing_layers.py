"""Layers of prices: corrections over the list, contracts over both, and the list's amount beside what was agreed."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicegateway_shared.pricing import (
    Catalog,
    CatalogError,
    Derivation,
    Document,
    Managed,
    PlanWindow,
    Price,
    Rating,
    RatingRequest,
    Scope,
    Tariff,
    rate,
    write_row,
)
from voicegateway_shared.pricing.managed import (
    Provenance,
    read_context,
    read_derivation,
    read_plan,
    read_row,
    source_of,
)

CATALOG = Catalog.builtin()
AT = datetime(2026, 11, 21, 12, tzinfo=UTC)
SOURCE = source_of(url="contract 7", read_on=date(2026, 1, 1))
ACME = Scope(layer="project", of="acme")
KEY = Scope(layer="account", of="key-1")
EVERY_KEY = Scope(layer="account", of="*")
CHAT = {"input_tokens": 10_000, "cache_read_tokens": 6_000, "output_tokens": 500}
_ONLINE = {"processing": "online", "service_tier": "default"}

_ROWS = sorted(CATALOG.prices, key=lambda price: price.price_id)
rows = st.sampled_from(_ROWS)
scopes = st.sampled_from([ACME, KEY, EVERY_KEY])
amounts = st.integers(0, 10**6).map(lambda micro: f"{micro // 10**6}.{micro % 10**6:06d}")
quantities = st.integers(1, 10**7)


def _document(
    base: Price,
    scope: Scope,
    changes: Mapping[str, object] = MappingProxyType({}),
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    **more: str,
) -> Document:
    row = {**write_row(base), **changes, **more}
    return read_row(
        row,
        provider=base.provider,
        scope=scope,
        conditions=CATALOG.conditions(base.provider),
        provenance=Provenance(origin="price record 1", source=SOURCE, effective_from=since, effective_to=until),
    )


def _row(provider: str, model: str, meter: str, **when: str) -> Price:
    found = [
        price
        for price in _ROWS
        if (price.provider, price.model, price.meter) == (provider, model, meter)
        and when.items() <= dict(price.when).items()
    ]
    assert len(found) == 1, [price.price_id for price in found]
    return found[0]


def _rate(
    catalog: Catalog,
    price: Price,
    usage: dict[str, int],
    *,
    at: datetime = AT,
    project: str = "",
    account: str = "",
) -> Rating:
    request = RatingRequest(
        provider=price.provider,
        model=price.model,
        modality=price.modality,
        at=at,
        usage=usage,
        context=dict(price.when),
        project=project,
        account=account,
    )
    return rate(request, catalog)


def _discount(scope: Scope, multiplier: str = "0.85", **fields: Any) -> Derivation:
    content = {"multiplier": multiplier, **{key: value for key, value in fields.items() if key != "provider"}}
    provider = fields.get("provider", "openai")
    return read_derivation(
        content,
        provider=provider,
        scope=scope,
        conditions=CATALOG.conditions(provider),
        provenance=Provenance(origin=f"discount {multiplier}", source=SOURCE),
    )


INPUT = _row("openai", "gpt-4.1-mini", "input_tokens", **_ONLINE)
OUTPUT = _row("openai", "gpt-4.1-mini", "output_tokens", **_ONLINE)


def test_a_price_written_down_reads_as_itself() -> None:
    for price in _ROWS:
        read = _document(price, Scope(), since=price.effective_from, until=price.effective_to)

        assert (read.problems, [each.price_id for each in read.prices]) == ([], [price.price_id])


@settings(max_examples=40, deadline=None)
@given(base=rows, scope=scopes, amount=amounts, quantity=quantities)
def test_a_contract_holds_for_its_party_alone_and_changes_no_list_amount(
    base: Price, scope: Scope, amount: str, quantity: int
) -> None:
    key = "amount" if base.credit_rate is None else "credits"
    catalog = CATALOG.with_managed(Managed(documents=(_document(base, scope, {key: amount}),)))
    usage = dict.fromkeys((base.meter, *base.plus), quantity) | {"requests": 1}
    at = base.effective_from or (base.effective_to and base.effective_to - timedelta(days=1)) or AT
    listed = _rate(CATALOG, base, usage, at=at)
    party = {"project": "acme"} if scope.layer == "project" else {"account": "key-1"}

    agreed = _rate(catalog, base, usage, at=at, **party)
    others = _rate(catalog, base, usage, at=at, **({} if scope is EVERY_KEY else {"project": "beta", "account": "k2"}))

    assert agreed.list_amount_pico_usd == listed.list_amount_pico_usd
    assert {line.meter: line.billed_quantity for line in agreed.lines} == {
        line.meter: line.billed_quantity for line in listed.lines
    }
    assert len(agreed.lines) == len({line.meter for line in agreed.lines})
    if scope is not EVERY_KEY:
        assert others == listed


@given(base=rows, quantity=quantities, project=st.sampled_from(["", "acme", "beta"]))
def test_without_contracts_whoever_asks_is_charged_the_list(base: Price, quantity: int, project: str) -> None:
    usage = {base.meter: quantity, "requests": 1}

    assert _rate(CATALOG, base, usage, project=project, account="key-1") == _rate(CATALOG, base, usage)


@settings(max_examples=40, deadline=None)
@given(base=rows, quantity=quantities, percent=st.integers(0, 100))
def test_a_discount_is_its_share_of_the_list_line_by_line(base: Price, quantity: int, percent: int) -> None:
    share = f"{percent // 100}.{percent % 100:02d}"
    derivation = _discount(ACME, share, provider=base.provider, model=base.model)
    catalog = CATALOG.with_managed(Managed(derivations=(derivation,)))
    usage = dict.fromkeys((base.meter, *base.plus), quantity) | {"requests": 1}

    listed, agreed = _rate(CATALOG, base, usage), _rate(catalog, base, usage, project="acme")

    for before, after in zip(listed.lines, agreed.lines, strict=True):
        assert (after.meter, after.billed_quantity, after.unrated_reason) == (
            before.meter,
            before.billed_quantity,
            before.unrated_reason,
        )
        assert after.list_amount_pico_usd == before.list_amount_pico_usd
        assert abs(after.amount_pico_usd * 100 - before.amount_pico_usd * percent) <= 150


def test_a_contract_takes_the_place_of_one_meter_and_the_rest_falls_through() -> None:
    catalog = CATALOG.with_managed(Managed(documents=(_document(INPUT, ACME, amount="0.20"),)))

    lines = {line.meter: line.amount_pico_usd for line in _rate(catalog, INPUT, CHAT, project="acme").lines}

    assert lines == {"input_tokens": 800_000_000, "cache_read_tokens": 600_000_000, "output_tokens": 800_000_000}


def test_the_project_wins_over_the_key_the_key_over_every_key_and_each_over_the_list() -> None:
    documents = [
        _document(OUTPUT, scope, amount=amount)
        for scope, amount in ((Scope(), "8"), (EVERY_KEY, "4"), (KEY, "2"), (ACME, "1"))
    ]
    catalog = CATALOG.with_managed(Managed(documents=tuple(documents)))
    usage = {"output_tokens": 1_000_000}

    def cost(project: str = "", account: str = "") -> tuple[int, int]:
        rating = _rate(catalog, OUTPUT, usage, project=project, account=account)
        return rating.amount_pico_usd // 10**12, rating.list_amount_pico_usd // 10**12

    assert [cost(project="acme", account="key-1"), cost(project="acme"), cost(account="key-1"), cost(account="k2")] == [
        (1, 8),
        (1, 8),
        (2, 8),
        (4, 8),
    ]
    assert CATALOG.with_managed(Managed(documents=(documents[0],))).model(
        provider="openai", model="gpt-4.1-mini", modality="llm", project="acme"
    )


def test_a_contract_holds_in_its_window_alone() -> None:
    since, until = AT, AT + timedelta(days=30)
    document = _document(OUTPUT, ACME, since=since, until=until, amount="1")
    catalog = CATALOG.with_managed(Managed(documents=(document,)))
    usage = {"output_tokens": 1_000_000}
    instants = (since - timedelta(microseconds=1), since, until - timedelta(microseconds=1), until)

    costs = [_rate(catalog, OUTPUT, usage, at=at, project="acme").amount_pico_usd // 10**10 for at in instants]

    assert costs == [160, 100, 100, 160]


def test_among_discounts_the_one_that_says_more_wins_and_a_stated_amount_over_all() -> None:
    discounts = (
        _discount(ACME, "0.9"),
        _discount(ACME, "0.8", meter="output_tokens"),
        _discount(ACME, "0.5", model="gpt-4.1-mini-2025-04-14"),
    )
    usage = {"input_tokens": 1_000_000, "output_tokens": 1_000_000}
    stated = _document(INPUT, ACME, amount="0.1")

    def costs(managed: Managed) -> list[int]:
        rating = _rate(CATALOG.with_managed(managed), INPUT, usage, project="acme")
        return [line.amount_pico_usd // 10**8 for line in sorted(rating.lines, key=lambda line: line.meter)]

    assert costs(Managed(derivations=discounts[:1])) == [3600, 14400]
    assert costs(Managed(derivations=discounts[:2])) == [3600, 12800]
    assert costs(Managed(derivations=discounts)) == [2000, 8000]
    assert costs(Managed(derivations=discounts, documents=(stated,))) == [1000, 8000]


def test_two_prices_of_one_layer_for_the_same_meter_and_instant_are_refused() -> None:
    one = _document(OUTPUT, ACME, until=AT, amount="1")
    touching = _document(OUTPUT, ACME, since=AT, amount="2")
    overlapping = _document(OUTPUT, ACME, since=AT - timedelta(seconds=1), amount="2")

    CATALOG.with_managed(Managed(documents=(one, touching)))
    with pytest.raises(CatalogError, match="is also priced at"):
        CATALOG.with_managed(Managed(documents=(one, overlapping)))
    with pytest.raises(CatalogError, match="is also priced at"):
        CATALOG.with_managed(Managed(derivations=(_discount(ACME, "0.9"), _discount(ACME, "0.8"))))


def test_a_contract_may_bill_something_else_instead() -> None:
    nova = _row("deepgram", "nova-3", "audio_sent_ms", mode="streaming", language="mono")
    row = {"meter": "socket_open_ms", "instead_of": ["audio_sent_ms"], "amount": "0.002", "times": None}
    changes = {key: value for key, value in row.items() if value is not None}
    document = _document(nova, ACME, changes)
    catalog = CATALOG.with_managed(Managed(documents=(document,)))
    usage = {"audio_sent_ms": 60_000, "socket_open_ms": 120_000}

    rating = _rate(catalog, nova, usage, project="acme")

    assert [(line.meter, line.amount_pico_usd, line.list_amount_pico_usd) for line in rating.lines] == [
        ("socket_open_ms", 4_000_000_000, 7_700_000_000)
    ]


def test_plans_hold_in_their_windows_for_their_party_and_a_request_that_says_its_own_wins() -> None:
    def plan(name: str, scope: Scope, since: datetime | None = None) -> PlanWindow:
        return read_plan(
            {"plan": name},
            provider="cartesia",
            scope=scope,
            conditions=CATALOG.conditions("cartesia"),
            provenance=Provenance(origin="plan", source=SOURCE, effective_from=since),
        )

    catalog = CATALOG.with_managed(Managed(plans=(plan("startup", Scope(), AT), plan("scale", ACME))))

    def cost(at: datetime, *, project: str = "", said: str = "") -> int:
        request = RatingRequest(
            provider="cartesia",
            model="sonic-3",
            modality="tts",
            at=at,
            usage={"characters_sent": 1_000},
            context={"plan": said},
            project=project,
        )
        return rate(request, catalog).amount_pico_usd // 10**6

    before = AT - timedelta(seconds=1)
    assert [cost(before), cost(AT), cost(AT, project="acme"), cost(AT, said="pro"), cost(before, project="acme")] == [
        50_000,
        39_200,
        37_375,
        50_000,
        37_375,
    ]
    with pytest.raises(CatalogError, match="must be one of"):
        plan("enterprise", ACME)
    with pytest.raises(CatalogError, match="hold at once"):
        CATALOG.with_managed(Managed(plans=(plan("scale", ACME), plan("pro", ACME, AT))))


def test_credits_of_a_plan_can_cost_something_else() -> None:
    derivation = read_derivation(
        {"plan": "pro", "amount": "3", "per": "100_000 credits"},
        provider="cartesia",
        scope=ACME,
        conditions=CATALOG.conditions("cartesia"),
        provenance=Provenance(origin="credits", source=SOURCE),
    )
    catalog = CATALOG.with_managed(Managed(derivations=(derivation,)))
    request = RatingRequest(
        provider="cartesia",
        model="sonic-3",
        modality="tts",
        at=AT,
        usage={"characters_sent": 1_000},
        project="acme",
    )

    rating = rate(request, catalog)

    assert (rating.amount_pico_usd, rating.list_amount_pico_usd) == (30_000_000_000, 50_000_000_000)


def test_a_contract_for_an_unlisted_model_is_known_to_its_party_alone() -> None:
    document = _document(OUTPUT, ACME, model="ft:acme-1", amount="5")
    catalog = CATALOG.with_managed(Managed(documents=(document,)))

    def model(**who: str) -> object:
        return catalog.model(provider="openai", model="ft:acme-1", modality="llm", **who)

    assert not isinstance(model(project="acme"), str)
    assert (model(), model(project="beta")) == ("unknown_model", "unknown_model")


def test_a_contract_keeps_its_own_name_even_where_it_asks_what_the_list_asks() -> None:
    ours, theirs, listed = (_document(OUTPUT, scope).prices[0] for scope in (ACME, KEY, Scope()))

    assert listed.price_id == OUTPUT.price_id
    assert len({ours.price_id, theirs.price_id, listed.price_id}) == 3


def test_context_keys_may_learn_words_and_never_change_what_they_mean() -> None:
    known = CATALOG.conditions("deepgram")
    more = {"mode": {"default": "streaming", "values": {"streaming": ["live"], "batch": []}}}
    other = {"mode": {"default": "batch", "values": {"streaming": [], "batch": []}}}

    learned = read_context(more, provider="deepgram", known=known, origin="record")

    assert learned.problems == []
    assert learned.conditions["mode"].canonical("live") == "streaming"
    assert "must stay" in read_context(other, provider="deepgram", known=known, origin="record").problems[0]


def test_a_tariff_carries_contracts_and_prices_alike() -> None:
    managed = Managed(documents=(_document(OUTPUT, ACME, amount="1"),), derivations=(_discount(KEY),))
    found = CATALOG.with_managed(managed).model(
        provider="openai", model="gpt-4.1-mini", modality="llm", project="acme", account="key-1"
    )
    assert not isinstance(found, str)

    told = Tariff.of(found, provider="openai", model="gpt-4.1-mini", modality="llm", p99=0)

    selected = found.select(_ONLINE, AT)
    again = told.model_prices(project="acme", account="key-1").select(_ONLINE, AT)
    assert not isinstance(selected, str)
    assert not isinstance(again, str)
    assert [rule.price_id for rule in selected.rules] == [rule.price_id for rule in again.rules]
    assert {rule.price.rank for rule in again.rules} == {390, 200}
