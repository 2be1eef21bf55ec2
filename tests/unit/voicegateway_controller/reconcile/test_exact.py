"""Numbers of vendors and of people become ours exactly, or not at all."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicegateway_controller.reconcile.exact import NotExact, pico_usd, pico_usd_of_cents, plain, whole
from voicegateway_controller.reconcile.files.numerals import NotANumber, currency_of, read_number
from voicegateway_shared.money import AMOUNT_PICO_USD_MAX, divide_half_even


@pytest.mark.parametrize(
    ("told", "pico"),
    [
        ("0.060000000000000005", 60_000_000_000),
        ("0.30000000000000004", 300_000_000_000),
        ("1e-7", 100_000),
        ("0.0000000000005", 0),
        ("0.0000000000015", 2),
        ("-0.0000000000025", -2),
        ("12", 12 * 10**12),
    ],
)
def test_noise_is_rounded_half_even_at_twelve_decimals(told: str, pico: int) -> None:
    assert pico_usd(Decimal(told)) == pico


def test_cents_are_a_hundredth() -> None:
    assert pico_usd_of_cents(Decimal("123.45")) == 1_234_500_000_000
    assert pico_usd_of_cents(Decimal("0.00000000005")) == 0


@pytest.mark.parametrize("told", ["NaN", "Infinity", "1e400", "1e-400", "1e12", str(10**30)])
def test_what_no_invoice_says_is_refused(told: str) -> None:
    with pytest.raises(NotExact):
        pico_usd(Decimal(told))


@given(st.integers(-AMOUNT_PICO_USD_MAX, AMOUNT_PICO_USD_MAX))
def test_every_amount_of_ours_survives_a_vendors_telling(amount_pico_usd: int) -> None:
    assert pico_usd(Decimal(amount_pico_usd).scaleb(-12)) == amount_pico_usd


@given(st.decimals(allow_nan=False, allow_infinity=False, places=20, min_value=-(10**9), max_value=10**9))
def test_rounding_is_that_of_the_ledger(dollars: Decimal) -> None:
    exact = Fraction(dollars) * 10**12

    assert pico_usd(dollars) == divide_half_even(exact.numerator, exact.denominator)


@given(st.floats(min_value=0, max_value=10**6, allow_nan=False))
def test_a_double_is_nearest_to_what_was_meant(value: float) -> None:
    meant = round(Decimal(value), 9)

    assert pico_usd(Decimal(repr(float(meant)))) == pico_usd(meant)


@pytest.mark.parametrize(
    ("told", "text"), [("1000", "1000"), ("1E+3", "1000"), ("0.500", "0.5"), ("-0.0", "0"), ("415.554", "415.554")]
)
def test_credits_are_plain(told: str, text: str) -> None:
    assert plain(Decimal(told)) == text


def test_hours_are_milliseconds() -> None:
    assert whole(Decimal("0.005"), factor=3_600_000) == 18_000


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1,234.50", "1234.5"),
        ("1 234.50", "1234.5"),
        ("1\u202f234\u202f567.5", "1234567.5"),
        ("1'234.50", "1234.5"),
        ("$0.02", "0.02"),
        ("-$5", "-5"),
        ("$-5", "-5"),
        ("(3.10)", "-3.1"),
        ("($1,003.10)", "-1003.1"),
        ("3.10-", "-3.1"),
        ("−3.10", "-3.1"),
        ("+3", "3"),
        (".5", "0.5"),
        ("5.", "5"),
        ("1e-05", "0.00001"),
        ("1.5E3", "1500"),
        ("US$ 12.00", "12"),
        ("12.00 USD", "12"),
        ("00012", "12"),
        ("1234567.891", "1234567.891"),
    ],
)
def test_numbers_as_people_write_them(text: str, number: str) -> None:
    assert read_number(text) == Decimal(number)


@pytest.mark.parametrize(
    ("text", "number"), [("1.234,50", "1234.5"), ("0,02 €", "0.02"), ("-1.234.567,8", "-1234567.8"), ("12", "12")]
)
def test_numbers_with_a_decimal_comma(text: str, number: str) -> None:
    assert read_number(text, decimal=",") == Decimal(number)


@pytest.mark.parametrize("text", ["", " ", "-", "n/a", "N/A", "null", "–"])
def test_no_number_is_none(text: str) -> None:
    assert read_number(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "1,23.5",
        "12,34",
        "1,234,56",
        "1.2.3",
        "12%",
        "abc",
        "0x10",
        "1e999",
        "--5",
        "1,234'567",
        "١٢",
        "NaN",
        "Infinity",
        "5 5",
        "1" * 65,
        ".",
    ],
)
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(NotANumber):
        read_number(text)


@pytest.mark.parametrize(
    ("text", "currency"),
    [("$5", "USD"), ("US$5", "USD"), ("5 EUR", "EUR"), ("€5", "EUR"), ("£1", "GBP"), ("5", ""), ("usd", "USD")],
)
def test_a_currency_at_a_number_is_seen(text: str, currency: str) -> None:
    assert currency_of(text) == currency


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**12), max_value=10**12))
def test_every_way_of_writing_a_number_is_the_same_number(number: Decimal) -> None:
    english = f"{abs(number):,f}"
    german = english.translate(str.maketrans(",.", ".,"))
    sign = "-" if number < 0 else ""

    assert read_number(f"{number:f}") == number
    assert read_number(f"{sign}${english}") == number
    assert read_number(f"{sign}{german} €", decimal=",") == number
    assert read_number(f"({english})" if number < 0 else english) == number


@given(st.text(max_size=80))
def test_any_text_is_a_number_or_refused(text: str) -> None:
    for decimal in ".,":
        try:
            found = read_number(text, decimal=decimal)
        except NotANumber:
            continue
        assert found is None or found.is_finite()
