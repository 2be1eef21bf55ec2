"""The catalogue as a whole: rows and names against each other, price ids, plans and versions."""

from datetime import UTC, date, datetime

import pytest
from tests.unit.voicegateway_shared.price_file import GOOD_ROW, file_with, problems_of

from voicegateway_shared.pricing import Catalog, CatalogError, local_document


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("", ""),
        ("", ", when: {mode: batch}"),
        (", when: {plan: large}", ", when: {mode: batch}"),
        (", effective_to: 2026-06-02T00:00:00Z", ", effective_from: 2026-06-01T00:00:00Z"),
    ],
)
def test_rows_that_some_request_matches_twice_are_refused(one: str, other: str) -> None:
    (problem,) = problems_of(file_with(f"{GOOD_ROW}{one}}}\n      - {{{GOOD_ROW}{other}"))

    assert "audio_sent_ms is also priced at acme.yaml:16 for the same context and time" in problem


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (", when: {mode: streaming}", ", when: {mode: batch}"),
        (", effective_to: 2026-06-01T00:00:00Z", ", effective_from: 2026-06-01T00:00:00Z"),
    ],
)
def test_rows_that_no_request_matches_twice_are_accepted(one: str, other: str) -> None:
    catalog = Catalog.from_texts({"acme.yaml": file_with(f"{GOOD_ROW}{one}}}\n      - {{{GOOD_ROW}{other}")})

    assert len(catalog.prices) == 2


def test_fallback_to_a_meter_with_its_own_price_is_refused() -> None:
    text = file_with(f'{GOOD_ROW}, fallback: [session_ms]}}\n      - {{meter: session_ms, amount: "1"')

    assert "session_ms is also priced" in problems_of(text)[0]


@pytest.mark.parametrize(
    ("aliases", "message"),
    [
        ("[m]", "'m' already means 'm', it cannot mean 'n' too"),
        ("['m-{date}']", "alias 'm-{date}' of 'n' is also an alias of 'm'"),
        ("['{voice}']", "alias '{voice}' of 'n' also matches 'm', which means 'm'"),
    ],
)
def test_name_of_two_models_is_refused(aliases: str, message: str) -> None:
    text = file_with(GOOD_ROW).replace("    like: row\n", "    aliases: ['m-{date}']\n    like: row\n")
    text += f"  - {{model: n, aliases: {aliases}, like: row, prices: [{{{GOOD_ROW}}}]}}\n"

    with pytest.raises(CatalogError) as caught:
        Catalog.from_texts({"acme.yaml": text})

    assert message in str(caught.value)


def test_credits_without_plans_are_refused() -> None:
    head, _, rest = file_with('meter: audio_sent_ms, credits: "1"').partition("credit_plans:")
    text = head + rest[rest.index("defaults:") :]

    assert "needs credit_plans in this file" in problems_of(text)[0]


@pytest.mark.parametrize("plans", [{"acme": "giant"}, {"nobody": "small"}])
def test_default_plan_that_does_not_exist_is_refused(plans: dict[str, str]) -> None:
    with pytest.raises(CatalogError, match="has no such plan"):
        Catalog.from_texts({"acme.yaml": file_with(GOOD_ROW)}, plans=plans)


@pytest.mark.parametrize(("usd", "slots"), [("0.70", 0), ("0.70", -1), ("free", 1), ("-1", 1)])
def test_senseless_local_node_is_refused(usd: str, slots: int) -> None:
    with pytest.raises(CatalogError, match="local node"):
        local_document(models=["m"], node_usd_per_hour=usd, slots=slots, stated_on=date(2026, 11, 21))


# --- ids ------------------------------------------------------------------------------------------
def _price_id(row: str) -> str:
    (price,) = Catalog.from_texts({"acme.yaml": file_with(row)}).prices
    return price.price_id


def test_closing_a_window_or_learning_a_source_keeps_the_price_id() -> None:
    later = f"{GOOD_ROW}, effective_to: 2027-01-01T00:00:00Z, confidence: conflict, note: seen twice"

    assert _price_id(later) == _price_id(GOOD_ROW)


@pytest.mark.parametrize(
    "change",
    [
        ', list_amount: "2"',
        ', multiplier: "2"',
        ', tiers: {kind: cliff, steps: [{above: 2 ms, amount: "1"}]}',
        ", per: 60 seconds",
        ", minimum: 1 second",
        ", increment: 1 second",
        ", rounding: down",
        ", rounding_scope: session",
        ", times: channels",
        ", fallback: [session_ms]",
        ", not_billed: [session_ms]",
        ", instead_of: [requests]",
        ", when: {mode: batch}",
        ", effective_from: 2026-01-01T00:00:00Z",
    ],
)
def test_anything_that_decides_the_amount_changes_the_price_id(change: str) -> None:
    assert _price_id(GOOD_ROW + change) != _price_id(GOOD_ROW)


def test_version_follows_the_content() -> None:
    text = file_with(GOOD_ROW)
    same, other = Catalog.from_texts({"a.yaml": text}), Catalog.from_texts({"b.yaml": text})
    closed = Catalog.from_texts({"a.yaml": file_with(f"{GOOD_ROW}, effective_to: 2027-01-01T00:00:00Z")})

    assert same.version == other.version
    assert closed.version != same.version
    assert datetime(2026, 11, 21, tzinfo=UTC) == same.prices[0].recorded_at
