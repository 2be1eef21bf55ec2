"""Money: decimal texts in and out without loss, and one rounding whose ties go to the even number."""

from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicegateway_shared.money import (
    AMOUNT_PICO_USD_MAX,
    PICO_PER_USD,
    NotAnAmount,
    divide_half_even,
    divide_up,
    format_usd,
    nano_usd_up,
    parse_usd,
)

_AMOUNTS = st.integers(-AMOUNT_PICO_USD_MAX, AMOUNT_PICO_USD_MAX)


@pytest.mark.parametrize(
    ("text", "pico"),
    [
        ("0", 0),
        ("1", PICO_PER_USD),
        ("0.0048", 4_800_000_000),
        ("0.000000000001", 1),
        ("-12.5", -12_500_000_000_000),
        ("999999999999.999999999999", AMOUNT_PICO_USD_MAX),
    ],
)
def test_amount_is_read_and_written_exactly(text: str, pico: int) -> None:
    assert parse_usd(text) == pico
    assert format_usd(pico) == text


@pytest.mark.parametrize(
    "text",
    [
        *("", " 1", "1 ", "+1", ".5", "1.", "1e3", "1,5", "0x1", "NaN", "Infinity", "--1", "1_0", "٣", "1\n", "1.2.3"),
        *("0.0000000000001", "1000000000000"),  # One digit too many, after and before the point.
    ],
)
def test_text_that_is_no_plain_amount_is_refused(text: str) -> None:
    with pytest.raises(NotAnAmount) as caught:
        parse_usd(text)

    assert caught.value.code == "not_an_amount"
    assert caught.value.text == text


@pytest.mark.parametrize("value", [1, 1.5, None, Decimal("1"), b"1"])
def test_anything_but_text_is_refused(value: object) -> None:
    with pytest.raises(NotAnAmount):
        parse_usd(value)  # type: ignore[arg-type]  # What an untyped caller might do.


@pytest.mark.parametrize(
    ("numerator", "denominator", "quotient"),
    [
        (0, 7, 0),
        (1, 2, 0),
        (3, 2, 2),
        (5, 2, 2),
        (-1, 2, 0),
        (-3, 2, -2),
        (7, 3, 2),
        (8, 3, 3),
        (10**30 + 1, 2, 5 * 10**29),
    ],
)
def test_division_rounds_ties_to_even(numerator: int, denominator: int, quotient: int) -> None:
    assert divide_half_even(numerator, denominator) == quotient


@given(_AMOUNTS)
def test_every_amount_survives_being_written_and_read(pico: int) -> None:
    text = format_usd(pico)

    assert parse_usd(text) == pico
    assert "e" not in text.lower()
    assert Decimal(text) * PICO_PER_USD == pico


@given(st.integers(-(10**40), 10**40), st.integers(1, 10**20))
def test_division_agrees_with_fractions_and_decimals(numerator: int, denominator: int) -> None:
    quotient = divide_half_even(numerator, denominator)

    assert quotient == round(Fraction(numerator, denominator))
    assert abs(Fraction(numerator, denominator) - quotient) <= Fraction(1, 2)


@given(st.integers(-(10**15), 10**15))
def test_division_agrees_with_the_decimal_module(numerator: int) -> None:
    expected = (Decimal(numerator) / 8).quantize(Decimal(1), ROUND_HALF_EVEN)

    assert divide_half_even(numerator, 8) == expected


@given(st.integers(-(10**40), 10**40), st.integers(1, 10**20))
def test_division_up_is_never_below_and_less_than_one_above(numerator: int, denominator: int) -> None:
    assert 0 <= divide_up(numerator, denominator) - Fraction(numerator, denominator) < 1


@pytest.mark.parametrize(("pico", "nano"), [(0, 0), (1, 1), (999, 1), (1_000, 1), (1_001, 2), (10**12, 10**9)])
def test_nano_dollars_are_rounded_up(pico: int, nano: int) -> None:
    assert nano_usd_up(pico) == nano
