"""Every difference is attributed, named, and sums to what it is a part of."""

from dataclasses import replace
from datetime import date
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fixtures.reconciling import GRAINS, bill, on, parts, reconcile, rows, statement

from voicegateway_controller.reconcile.cells import OurRow, RowFacts
from voicegateway_controller.reconcile.names import Alias
from voicegateway_controller.reconcile.result import sum_up
from voicegateway_controller.reconcile.statement import VendorLine

CHAT = {"input_tokens": 1_200, "cache_read_tokens": 200, "output_tokens": 80}


def month(**changes: Any) -> list[OurRow]:
    """Ten days of a hundred chats."""
    return [row for day in range(1, 11) for row in rows(day, CHAT, requests=100, **changes)]


def change(line: VendorLine, **changes: Any) -> VendorLine:
    return msgspec.structs.replace(line, **changes)


def test_a_month_without_faults_has_no_part() -> None:
    ours = month()

    assert parts(reconcile(statement(bill(ours)), ours)) == {}


def test_lost_spans_are_missing_spans_to_the_last_digit() -> None:
    ours = month()
    lost = rows(5, CHAT, requests=10)

    cells = reconcile(statement(bill(ours + lost)), ours)

    assert parts(cells) == {"missing_spans": sum(row.amount_pico_usd for row in lost)}
    assert {part.quantity for cell in cells for part in cell.parts} == {10_000, 2_000, 800}


def test_requests_the_vendor_counts_make_missing_spans_certain() -> None:
    ours, lost = month(), rows(5, CHAT, requests=10)
    counts = [
        VendorLine(provider="openai", day=on(5), sku="", model="gpt-4.1-mini", meter="requests", quantity=110,
                   requests=110),
    ]  # fmt: skip

    cells = reconcile(statement(bill(ours + lost) + counts), ours)

    assert {part.confidence for cell in cells for part in cell.parts} == {"certain"}


def test_a_price_that_rises_in_the_middle_of_the_month_is_a_price_change() -> None:
    ours = month()
    lines = [
        change(line, amount_pico_usd=(line.amount_pico_usd or 0) * 11 // 10) if line.day and line.day >= on(6) else line
        for line in bill(ours)
    ]

    cells = reconcile(statement(lines), ours)

    assert parts(cells) == {"price_change": sum(row.amount_pico_usd for row in ours if row.day >= on(6)) // 10}


def test_the_price_of_another_tier_is_named() -> None:
    ours = rows(3, {"input_tokens": 1_000}, requests=10)
    dearer = rows(3, {"input_tokens": 1_000}, requests=10, context={"service_tier": "priority"})
    lines = [change(bill(ours)[0], amount_pico_usd=dearer[0].amount_pico_usd)]

    cells = reconcile(statement(lines), ours)

    assert parts(cells) == {"other_context": dearer[0].amount_pico_usd - ours[0].amount_pico_usd}


def test_another_price_on_every_day_of_an_old_row_is_a_stale_price() -> None:
    ours = [row for day in (10, 30) for row in rows(day, {"characters_sent": 500}, provider="elevenlabs",
            model="eleven_flash_v2_5", modality="tts")]  # fmt: skip
    lines = [change(line, amount_pico_usd=(line.amount_pico_usd or 0) * 9 // 10)
             for line in bill(ours, provider="elevenlabs")]  # fmt: skip

    cells = reconcile(statement(lines, provider="elevenlabs"), ours)

    assert parts(cells) == {"stale_price": -sum(row.amount_pico_usd for row in ours) // 10}


def test_a_doubled_line_is_a_duplicate() -> None:
    ours = month()
    lines = bill(ours)

    cells = reconcile(statement([*lines, lines[4]]), ours)

    assert parts(cells) == {"duplicate": lines[4].amount_pico_usd}


def test_a_line_of_twice_everything_is_a_duplicate_too() -> None:
    ours = month()
    lines = bill(ours)
    lines[4] = change(
        lines[4], quantity=2 * (lines[4].quantity or 0), amount_pico_usd=2 * (lines[4].amount_pico_usd or 0)
    )

    cells = reconcile(statement(lines), ours)

    assert parts(cells) == {"duplicate": ours[4].amount_pico_usd}


def test_lines_of_one_side_only_count_in_the_total() -> None:
    ours = month() + rows(2, CHAT, model="gpt-4.1")
    search = VendorLine(provider="openai", day=on(2), sku="web_search", quantity=3, amount_pico_usd=30_000_000_000)

    cells = reconcile(statement([*bill(month()), search]), ours)

    assert parts(cells) == {
        "vendor_only": 30_000_000_000,
        "ours_only": -sum(row.amount_pico_usd for row in ours if row.model == "gpt-4.1"),
    }


def test_a_model_nobody_knows_is_named_until_an_alias_says_what_it_is() -> None:
    ours = month()
    lines = [change(line, model="mini-by-contract") for line in bill(ours)]
    alias = Alias(provider="openai", name="mini-by-contract", model="gpt-4.1-mini")
    expired = replace(alias, valid_to=on(3))

    unknown = parts(reconcile(statement(lines), ours))

    total = sum(row.amount_pico_usd for row in ours)
    assert unknown == {"unknown_model": total, "ours_only": -total}
    assert parts(reconcile(statement(lines), ours, aliases=(alias,))) == {}
    assert parts(reconcile(statement(lines), ours, aliases=(expired,))).keys() == {"unknown_model", "ours_only"}


def test_the_catalogues_dated_names_mean_its_model() -> None:
    ours = month()
    lines = [change(line, model="gpt-4.1-mini-2025-04-14") for line in bill(ours)]

    assert parts(reconcile(statement(lines), ours)) == {}


def test_days_that_the_vendor_may_add_to_are_pending() -> None:
    ours = month()
    lines = [line for line in bill(ours) if line.day != on(10)]

    cells = reconcile(statement(lines, settled_until=on(10)), ours)

    assert parts(cells) == {"pending": -sum(row.amount_pico_usd for row in ours if row.day == on(10))}


def test_use_that_the_vendor_counts_on_the_next_day_is_shifted() -> None:
    late = rows(5, CHAT, requests=7)
    ours = month() + late
    lines = bill(month()) + [change(line, day=on(6)) for line in bill(late)]

    cells = reconcile(statement(lines), ours)

    found = [part for cell in cells for part in cell.parts]
    assert {part.category for part in found} == {"day_shift"}
    assert sum(part.amount_pico_usd for part in found) == 0
    assert len(found) == 6


def test_a_minimum_that_the_vendor_bills_is_found_from_the_requests() -> None:
    ours = rows(4, {"audio_sent_ms": 3_200}, requests=5, provider="deepgram", model="nova-3", modality="stt")
    dearer = rows(4, {"audio_sent_ms": 10_000}, requests=5, provider="deepgram", model="nova-3", modality="stt")
    facts = {ours[0].group: RowFacts(cancelled_quantity=0, minimums={5_000: 25_000, 10_000: 50_000}, increments={})}

    cells = reconcile(statement(bill(dearer, provider="deepgram"), provider="deepgram"), ours, facts=facts)

    assert parts(cells) == {"minimums": dearer[0].amount_pico_usd - ours[0].amount_pico_usd}


def test_cancelled_requests_that_the_vendor_does_not_bill_are_named() -> None:
    ours = rows(4, {"characters_sent": 100}, requests=5, provider="elevenlabs", model="eleven_flash_v2_5",
                modality="tts", estimated=True)  # fmt: skip
    less = rows(4, {"characters_sent": 100}, requests=3, provider="elevenlabs", model="eleven_flash_v2_5",
                modality="tts")  # fmt: skip

    cells = reconcile(statement(bill(less, provider="elevenlabs"), provider="elevenlabs"), ours)

    assert parts(cells) == {"cancelled": less[0].amount_pico_usd - ours[0].amount_pico_usd}
    assert cells[0].parts[0].confidence == "estimated"


def test_tax_and_credits_are_what_their_lines_say() -> None:
    ours = month()
    extra = [
        VendorLine(provider="openai", day=None, sku="Sales tax", amount_pico_usd=19, category="tax"),
        VendorLine(provider="openai", day=None, sku="Free tier credit", amount_pico_usd=-5, category="credit"),
    ]

    assert parts(reconcile(statement(bill(ours) + extra), ours)) == {"tax": 19, "credits": -5}


def test_below_the_vendors_last_digit_the_difference_is_rounding_and_still_there() -> None:
    ours = month()
    cent = 10**10
    lines = [change(line, amount_pico_usd=((line.amount_pico_usd or 0) + cent // 2) // cent * cent)
             for line in bill(ours)]  # fmt: skip

    cells = reconcile(statement(lines), ours)

    found = parts(cells)
    assert found.keys() == {"rounding"}
    assert found["rounding"] == sum(line.amount_pico_usd or 0 for line in lines) - sum(r.amount_pico_usd for r in ours)


def test_use_of_a_free_tier_costs_nothing_at_the_vendor() -> None:
    ours = month()
    lines = [change(line, amount_pico_usd=0) if line.day and line.day <= on(3) else line for line in bill(ours)]

    assert parts(reconcile(statement(lines), ours)) == {
        "credits": -sum(row.amount_pico_usd for row in ours if row.day <= on(3))
    }


def test_a_key_that_is_not_ours_is_told_from_lost_spans() -> None:
    ours = month(key_id="fp-1")
    stranger = bill(rows(4, CHAT, requests=50), credential="key_stranger")

    cells = reconcile(statement(bill(ours, credential="key_1") + stranger), ours, links={"key_1": "fp-1"})

    assert parts(cells) == {"unattributed_credential": sum(line.amount_pico_usd or 0 for line in stranger)}


def test_keys_without_links_are_compared_together() -> None:
    ours = month(key_id="fp-1") + month(key_id="fp-2")
    lines = bill(month(), credential="key_1") + bill(month(), credential="key_2")

    assert parts(reconcile(statement(lines), ours)) == {}


def test_a_bill_without_units_is_compared_by_the_vendors_counts() -> None:
    usage = {"input_tokens": 5_000, "cache_read_tokens": 3_000, "cache_write_5m_tokens": 500, "output_tokens": 90}
    anthropic: dict[str, Any] = {"provider": "anthropic", "model": "claude-haiku-4-5"}
    ours, lost = rows(5, usage, requests=40, **anthropic), rows(5, usage, requests=3, **anthropic)
    lines = [change(line, quantity=None) for line in bill(ours + lost, provider="anthropic")]
    counts = [
        VendorLine(provider="anthropic", day=on(5), sku="", credential="apikey_1", model="claude-haiku-4-5-20251001",
                   meter=meter, quantity=quantity * 43)
        for meter, quantity in usage.items()
    ]  # fmt: skip

    cells = reconcile(statement(lines + counts, provider="anthropic"), ours)

    assert parts(cells) == {"missing_spans": sum(row.amount_pico_usd for row in lost)}


def test_credits_are_compared_by_the_plans_rate() -> None:
    ours = [row for day in (1, 2) for row in rows(day, {"characters_sent": 1_000}, provider="cartesia",
            model="sonic-3", modality="tts")]  # fmt: skip
    lines = [VendorLine(provider="cartesia", day=on(day), sku="sonic-3", model="sonic-3", credits=count)
             for day, count in ((1, "1000"), (2, "1004"))]  # fmt: skip

    cells = reconcile(statement(lines, provider="cartesia", has_amounts=False, grains=("day", "sku", "model")), ours)

    assert parts(cells) == {"missing_spans": 4 * 50_000_000}
    assert all(cell.is_derived for cell in cells)


def test_a_total_alone_is_compared_with_the_whole_month() -> None:
    ours = month()
    total = sum(row.amount_pico_usd for row in ours)
    line = VendorLine(provider="openai", day=None, sku="invoice total", amount_pico_usd=total + 7 * 10**10)

    cells = reconcile(statement([line], grains=()), ours)

    assert len(cells) == 1
    assert parts(cells) == {"unknown": 7 * 10**10}


def test_a_total_holds_the_fees_and_credits_that_it_does_not_name() -> None:
    ours = rows(3, CHAT, requests=100)
    fee, credit, tax = (
        msgspec.structs.replace(
            ours[0],
            kind=kind,
            meter=meter,
            model="plan",
            price_id="",
            amount_pico_usd=amount,
            project_first="_shared",
            project_last="_shared",
        )
        for kind, meter, amount in (
            ("purchase", "subscription", 50 * 10**12),
            ("credit", "allowance", -(10**10)),
            ("tax", "tax", 10**12),
        )
    )
    ours += [fee, credit, tax]
    total = sum(row.amount_pico_usd for row in ours)
    whole = VendorLine(provider="openai", day=None, sku="invoice total", amount_pico_usd=total)
    net = change(whole, amount_pico_usd=total - 10**12)
    taxed = change(whole, sku="tax", category="tax", amount_pico_usd=10**12)

    [cell] = reconcile(statement([whole], grains=()), ours)
    assert (parts([cell]), cell.project) == ({}, "acme")
    assert parts(reconcile(statement([net, taxed], grains=()), ours)) == {}


def purchase(meter: str, pico_usd: int) -> OurRow:
    return msgspec.structs.replace(
        rows(1, CHAT)[0], kind="purchase", meter=meter, model="plan", price_id="", amount_pico_usd=pico_usd
    )


@pytest.mark.parametrize(
    ("changes", "listed", "booked", "expected"),
    [
        ({}, None, [("subscription", 50)], {"plan_fees": -50}),
        ({}, None, [("subscription", 50), ("prepaid", 20)], {"plan_fees": -50, "ours_only": -20}),
        ({}, None, [("subscription", 50), ("purchase", -50)], {}),
        ({}, 45, [("subscription", 50)], {"ours_only": -5}),
        ({}, 50, [("subscription", 50)], {}),
        ({"is_invoice": True}, None, [("subscription", 50)], {"ours_only": -50}),
    ],
)
def test_a_plans_fee_is_explained_where_an_api_lists_no_fees(
    changes: dict[str, Any], listed: int | None, booked: list[tuple[str, int]], expected: dict[str, int]
) -> None:
    ours = rows(1, CHAT, requests=2)
    lines = bill(ours)
    if listed is not None:
        lines.append(VendorLine(provider="openai", day=None, sku="plan", category="purchase", amount_pico_usd=listed))

    said = statement(lines, **changes)
    cells = reconcile(said, [*ours, *(purchase(*each) for each in booked)])

    assert parts(cells) == expected
    drift = sum(abs(amount) for category, amount in expected.items() if category != "plan_fees")
    assert sum_up(said, cells).drift_pico_usd == drift


def test_code_switching_is_a_language_of_the_model() -> None:
    ours = rows(4, {"audio_sent_ms": 3_200}, requests=5, provider="deepgram", model="nova-3", modality="stt",
                context={"language": "multi"})  # fmt: skip
    plain = rows(4, {"audio_sent_ms": 3_200}, requests=5, provider="deepgram", model="nova-3", modality="stt")
    lines = [change(line, sku="streaming::nova-3-multi", model="nova-3-multi", context={"mode": "streaming"})
             for line in bill(ours, provider="deepgram")]  # fmt: skip
    lines += [change(line, sku="streaming::nova-3", context={"mode": "streaming"})
              for line in bill(plain, provider="deepgram")]  # fmt: skip

    cells = reconcile(statement(lines, provider="deepgram"), ours + plain)

    assert parts(cells) == {}
    assert len(cells) == 2


def test_use_without_a_price_is_the_models_fault() -> None:
    ours = rows(4, CHAT, model="gpt-99", requests=4)
    line = VendorLine(provider="openai", day=on(4), sku="gpt-99, input_tokens", model="gpt-99", meter="input_tokens",
                      quantity=4_800, amount_pico_usd=1_000_000)  # fmt: skip

    assert parts(reconcile(statement([line]), ours)) == {"unknown_model": 1_000_000}


lines_of_any_kind = st.lists(
    st.builds(
        VendorLine,
        provider=st.just("openai"),
        day=st.one_of(st.none(), st.dates(date(2026, 10, 1), date(2026, 10, 5))),
        sku=st.sampled_from(["gpt-4.1-mini, input_tokens", "web_search", ""]),
        credential=st.sampled_from(["", "key_1", "key_2"]),
        model=st.sampled_from(["", "gpt-4.1-mini", "gpt-4.1-mini-2025-04-14", "gpt-99"]),
        meter=st.sampled_from(["", "input_tokens", "output_tokens", "requests"]),
        context=st.sampled_from([{}, {"service_tier": "priority"}]),
        quantity=st.one_of(st.none(), st.integers(0, 10_000)),
        amount_pico_usd=st.one_of(
            st.none(), st.integers(-(10**12), 10**13), st.integers(0, 99).map(lambda n: n * 10**10)
        ),
        credits=st.one_of(st.none(), st.integers(0, 1_000).map(str)),
        category=st.sampled_from(["usage", "usage", "usage", "credit", "tax", "purchase", "minimum", "rounding"]),
    ),
    max_size=12,
)
rows_of_any_kind = st.lists(
    st.builds(
        rows,
        st.integers(1, 5),
        st.fixed_dictionaries({"input_tokens": st.integers(0, 5_000), "output_tokens": st.integers(0, 500)}),
        requests=st.integers(1, 50),
        model=st.sampled_from(["gpt-4.1-mini", "gpt-4.1", "gpt-99"]),
        key_id=st.sampled_from(["", "fp-1", "fp-2"]),
        context=st.sampled_from([{}, {"service_tier": "priority"}]),
        estimated=st.booleans(),
    ),
    max_size=8,
).map(lambda lists: [row for each in lists for row in each])


@settings(max_examples=300, deadline=None)
@given(
    lines_of_any_kind, rows_of_any_kind, st.sampled_from([GRAINS, ("day", "sku", "model"), ("model",), ()]),
    st.booleans(), st.booleans(), st.dates(date(2026, 10, 1), date(2026, 11, 1)),
)  # fmt: skip
def test_parts_sum_to_the_difference_whatever_either_side_says(
    lines: list[VendorLine],
    ours: list[OurRow],
    grains: tuple[str, ...],
    has_amounts: bool,
    has_links: bool,
    settled: date,
) -> None:
    said = statement(lines, grains=grains, has_amounts=has_amounts, settled_until=settled)

    cells = reconcile(said, ours, links={"key_1": "fp-1"} if has_links else None)

    for cell in cells:
        assert sum(part.amount_pico_usd for part in cell.parts) == cell.difference_pico_usd
    assert sum(cell.our_pico_usd for cell in cells) == sum(row.amount_pico_usd for row in ours)
    billed = [line for line in lines if line.sku and line.amount_pico_usd is not None]
    if len(billed) == sum(1 for line in lines if line.sku) and has_amounts:
        assert sum(cell.vendor_pico_usd for cell in cells) == sum(line.amount_pico_usd or 0 for line in billed)


@pytest.mark.parametrize("grains", [GRAINS, ("day", "sku", "model"), ("day",), ()])
def test_the_same_on_both_sides_is_nothing_at_every_grain(grains: tuple[str, ...]) -> None:
    ours = month() + month(context={"service_tier": "priority"})
    lines = bill(ours[: len(ours) // 2]) + bill(ours[len(ours) // 2 :], context={"service_tier": "priority"})

    assert parts(reconcile(statement(lines, grains=grains), ours)) == {}
