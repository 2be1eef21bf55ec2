"""What is shown of a secret."""

from hypothesis import given
from hypothesis import strategies as st

from voicegateway_shared.masking import SHORTEST_SHOWN_CHARS, mask


def test_ends_of_a_long_secret_are_shown() -> None:
    assert mask("secret-0123456789-2345") == "secr...2345"


def test_nothing_of_a_short_one() -> None:
    assert mask("hunter2") == "..."
    assert mask("x" * (SHORTEST_SHOWN_CHARS - 1)) == "..."
    assert mask("") == ""


@given(st.text(min_size=1, max_size=300))
def test_at_most_half_of_a_secret_is_shown(secret: str) -> None:
    shown = mask(secret).replace("...", "", 1) if len(secret) >= SHORTEST_SHOWN_CHARS else ""

    assert len(shown) * 2 <= len(secret)
    assert mask(secret) != secret or secret == "..."
