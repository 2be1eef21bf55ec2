"""The 65 worked examples: each rated by the built-in catalogue, total and lines equal to the last digit."""

from collections import Counter
from decimal import Decimal
from fractions import Fraction

import pytest
from tests.fixtures.rating_examples import ASKS, AT, EXAMPLES, LOCAL_NODE, usage_of

from voicegateway_shared.money import PICO_PER_USD, divide_half_even, format_usd, parse_usd
from voicegateway_shared.pricing import Catalog, Rating, RatingRequest, rate


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return Catalog.builtin().extended([LOCAL_NODE])


def test_every_example_is_asked() -> None:
    assert ASKS.keys() == EXAMPLES.keys()


@pytest.mark.parametrize("example_id", EXAMPLES)
def test_example_is_rated_to_the_last_digit(example_id: str, catalog: Catalog) -> None:
    example = EXAMPLES[example_id]

    ratings = _ratings(example_id, catalog)

    assert [line for rating in ratings for line in rating.lines if line.unrated_reason] == []
    total = sum(rating.amount_pico_usd for rating in ratings)
    assert format_usd(total) == _plain(example["total_usd"])
    exact = Fraction(example["exact_fraction"]) * PICO_PER_USD
    assert total == divide_half_even(exact.numerator, exact.denominator)


@pytest.mark.parametrize("example_id", EXAMPLES)
def test_lines_of_an_example_cost_what_they_should(example_id: str, catalog: Catalog) -> None:
    example = EXAMPLES[example_id]

    lines = [line for rating in _ratings(example_id, catalog) for line in rating.lines]

    costs = Counter(line.amount_pico_usd for line in lines if line.amount_pico_usd)
    if example_id == "C03":  # The example writes the three sessions as one line.
        costs = Counter([sum(costs.elements())])
    assert costs == Counter(parse_usd(_plain(line["cost"])) for line in example["lines"])


def _ratings(example_id: str, catalog: Catalog) -> list[Rating]:
    words = EXAMPLES["R01" if example_id == "R02" else example_id]["usage"]
    return [
        rate(
            RatingRequest(
                provider=ask.provider,
                model=ask.model,
                modality=ask.modality,
                at=AT,
                usage=usage_of(ask, words),
                context=ask.context,
            ),
            catalog,
        )
        for ask in ASKS[example_id]
    ]


def _plain(text: str) -> str:
    return format(Decimal(text).normalize(), "f")
