"""Faults: each changes what a vendor charges by an amount that can be said."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.fixtures.bills import a_record, write_records

from voicegateway.testing.vendors.billing import (
    BillingFaults,
    BillingSimulators,
    BillingTraps,
    ExtraLine,
    Leg,
    PriceChange,
    read_faults,
    read_traps,
    write_legs,
)
from voicegateway_shared.money import parse_usd

NOVEMBER = date(2026, 11, 1)


def _sims(directory: Path, *records: Any, **options: Any) -> BillingSimulators:
    return BillingSimulators(truth_dir=write_records(directory, *records), **options)


def _days(count: int, **changes: Any) -> list[Any]:
    return [a_record(at=f"2026-11-{day:02d}T10:00:00Z", **changes) for day in range(1, count + 1)]


def _total(directory: Path, *records: Any, vendor: str = "openai", **faults: Any) -> int:
    sims = _sims(directory, *records, faults={vendor: BillingFaults(**faults)})
    return sims.total_pico_usd(vendor, NOVEMBER)


def test_without_faults_a_bill_is_the_list_price(tmp_path: Path) -> None:
    assert _total(tmp_path, *_days(4)) == 4 * parse_usd("0.003")


def test_refused_requests_are_free(tmp_path: Path) -> None:
    assert _total(tmp_path, a_record(billed=False, outcome="rejected", usage={})) == 0


def test_a_price_changes_in_the_middle_of_the_month_for_one_meter(tmp_path: Path) -> None:
    change = PriceChange(
        model="gpt-4.1-mini", meter="output_tokens", factor="1.5", starts_at=datetime(2026, 11, 3, 10, tzinfo=UTC)
    )

    assert _total(tmp_path, *_days(4), price_changes=(change,)) == 4 * parse_usd("0.003") + 2 * parse_usd("0.0004")


def test_a_price_of_a_whole_model_changes_and_others_do_not(tmp_path: Path) -> None:
    change = PriceChange(model="gpt-4.1-mini", factor="0.9", starts_at=datetime(2026, 1, 1, tzinfo=UTC))
    other = a_record(modality="tts", model="tts-1", usage={"characters_sent": 4_095}, context={})

    assert _total(tmp_path, a_record(), other, price_changes=(change,)) == parse_usd("0.0027") + parse_usd("0.061425")


@pytest.mark.parametrize(("fault", "factor"), [("doubled_requests", 1), ("forgotten_requests", -1)])
def test_requests_are_charged_twice_or_not_at_all(tmp_path: Path, fault: str, factor: int) -> None:
    faults: dict[str, Any] = {fault: 2}

    assert _total(tmp_path, *_days(9), **faults) == (9 + 2 * factor) * parse_usd("0.003")


def test_whole_lines_are_on_the_bill_twice(tmp_path: Path) -> None:
    two_a_day = [*_days(3), *_days(3, request_id="second")]
    sims = _sims(tmp_path, *two_a_day, faults=BillingFaults(doubled_lines=2))

    copies = [charge for charge in sims.charges("openai") if charge.copy]
    assert len(copies) == 2 * 2
    assert sims.total_pico_usd("openai") == 6 * parse_usd("0.003") + sum(charge.pico_usd for charge in copies)


def test_no_more_requests_are_forgotten_than_there_are(tmp_path: Path) -> None:
    assert _total(tmp_path, *_days(2), forgotten_requests=5) == 0


def test_a_line_that_only_the_vendor_has_is_spelled_as_given(tmp_path: Path) -> None:
    at = datetime(2026, 11, 9, tzinfo=UTC)
    unknown = ExtraLine(vendor="openai", at=at, amount_usd="1.25", model="gpt-x", meter="output_tokens", quantity=9)
    fee = ExtraLine(vendor="anthropic", at=at, amount_usd="3", sku="Priority Tier")
    sims = _sims(tmp_path, *_days(1), faults=BillingFaults(extra_lines=(unknown, fee)))

    (charge,) = [charge for charge in sims.charges("openai") if charge.model == "gpt-x"]
    assert (charge.pico_usd, charge.key) == (parse_usd("1.25"), "")
    assert [(charge.sku, charge.pico_usd) for charge in sims.charges("anthropic")] == [
        ("Priority Tier", parse_usd("3"))
    ]


def test_short_requests_cost_a_minimum_and_sessions_are_rounded_up(tmp_path: Path) -> None:
    records = [a_record("deepgram", usage={"audio_sent_ms": ms}, request_id=str(ms)) for ms in (1_000, 61_000)]
    model = {"nova-3": 60_000}

    minimum = _total(tmp_path / "a", *records, vendor="deepgram", minimum_ms=model)
    rounded = _total(tmp_path / "b", *records, vendor="deepgram", round_up_ms=model)

    assert minimum == (60 + 61) * parse_usd("0.0048") // 60
    assert rounded == 3 * parse_usd("0.0048")


def test_credits_and_taxes_are_lines_of_the_last_day(tmp_path: Path) -> None:
    sims = _sims(tmp_path, *_days(10), faults=BillingFaults(credit_usd="0.01", tax_percent="19"))

    assert [(each.category, each.sku, each.pico_usd, each.at.day) for each in sims.charges("openai", NOVEMBER)][
        -2:
    ] == [
        ("credit", "Free tier credit", -parse_usd("0.01"), 30),
        ("tax", "Sales tax", parse_usd("0.0038"), 30),
    ]


def test_a_credit_is_never_more_than_the_use(tmp_path: Path) -> None:
    assert _total(tmp_path, *_days(1), credit_usd="5") == 0


@pytest.mark.parametrize(("hours", "days"), [(0, [2, 2]), (2, [2, 3]), (-2, [1, 2])])
def test_days_of_another_zone_begin_at_another_instant(tmp_path: Path, hours: int, days: list[int]) -> None:
    records = [a_record(at="2026-11-02T00:30:00Z"), a_record(at="2026-11-02T23:30:00Z")]
    sims = _sims(tmp_path, *records, faults=BillingFaults(zone_hours=hours))

    assert [charge.at.day for charge in sims.charges("openai")] == days


def test_what_was_cancelled_in_time_is_charged_all_the_same(tmp_path: Path) -> None:
    cancelled = a_record(billed=False, outcome="client_closed")

    assert _total(tmp_path, cancelled) == 0
    assert BillingSimulators(truth_dir=tmp_path, faults=BillingFaults(bills_unbilled=True)).total_pico_usd(
        "openai"
    ) == parse_usd("0.003")


def test_what_has_no_price_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"openai-2026-11-02T10:00:00Z: .* has no price"):
        _total(tmp_path, a_record(model="gpt-99"))


def test_switches_are_read_from_json() -> None:
    change = '[{"model": "m", "factor": "2", "starts_at": "2026-11-02T00:00:00Z"}]'

    assert read_traps('{"page_size": 3}') == BillingTraps(page_size=3)
    assert read_faults(f'{{"price_changes": {change}}}').price_changes[0].factor == "2"
    with pytest.raises(ValueError, match=r"not BillingTraps as JSON: .*pages"):
        read_traps('{"pages": 3}')


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('{"price_changes": [{"model": "m", "factor": "2", "starts_at": "2026-11-02T00:00:00"}]}', "starts_at needs"),
        ('{"price_changes": [{"model": "m", "factor": "x", "starts_at": "2026-11-02T00:00:00Z"}]}', "factor must be"),
        ('{"extra_lines": [{"vendor": "openai", "at": "2026-11-02T00:00:00Z", "amount_usd": "1e3"}]}', "not an amount"),
        ('{"extra_lines": [{"vendor": "v", "at": "2026-11-02T00:00:00Z", "amount_usd": "1", "meter": "m"}]}', "meter"),
        ('{"credit_usd": "five"}', "not an amount"),
        ('{"tax_percent": "nan"}', "tax_percent"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused_at_once(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        read_faults(text)


def test_a_leg_needs_zones_and_ends_after_it_starts(tmp_path: Path) -> None:
    start = datetime(2026, 11, 2, 10, tzinfo=UTC)
    leg = {"vendor": "twilio", "leg_id": "l", "call_id": "c", "product": "us-local-inbound", "started_at": start}

    write_legs(tmp_path, [Leg(**leg, ended_at=start + timedelta(seconds=61))])  # type: ignore[arg-type]

    (charge,) = BillingSimulators(truth_dir=tmp_path).charges("twilio")
    assert (charge.pico_usd, charge.meters[0].quantity) == (2 * parse_usd("0.0085"), 120_000)
    for ended_at in (start - timedelta(seconds=1), datetime(2026, 11, 2, 11)):  # noqa: DTZ001
        with pytest.raises(ValueError, match="with a zone"):
            Leg(**leg, ended_at=ended_at)  # type: ignore[arg-type]
    (tmp_path / "twilio.legs").write_text("no leg")
    with pytest.raises(ValueError, match=r"twilio.legs:1 is not a leg"):
        BillingSimulators(truth_dir=tmp_path).charges("twilio")


def test_an_instant_without_a_zone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="now needs a zone"):
        BillingSimulators(truth_dir=tmp_path, now=datetime(2026, 11, 2))  # noqa: DTZ001
