"""What is a key, and which way one may travel."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicegateway_controller.errors import BadRequest
from voicegateway_controller.vault.rules import KEY_CHARS_MAX, checked_text, is_leased_to, is_safe


@pytest.mark.parametrize(
    ("scheme", "host", "headers", "is_good"),
    [
        ("https", "10.0.0.7", {}, True),
        ("https", "10.0.0.7", {"x-forwarded-for": "1.2.3.4", "x-forwarded-proto": "https"}, True),
        ("http", "127.0.0.1", {}, True),
        ("http", "127.8.9.1", {}, True),
        ("http", "::1", {}, True),
        ("http", "::ffff:127.0.0.1", {}, True),
        ("http", None, {}, True),
        ("http", "10.0.0.7", {}, False),
        ("http", "::ffff:10.0.0.7", {}, False),
        ("http", "localhost.evil.example", {}, False),
        ("http", "10.0.0.7", {"x-forwarded-proto": "https"}, False),
        ("http", "127.0.0.1", {"x-forwarded-for": "1.2.3.4"}, False),
        ("http", "127.0.0.1", {"forwarded": "for=1.2.3.4;proto=https"}, False),
        ("http", "127.0.0.1", {"x-forwarded-for": "1.2.3.4", "x-forwarded-proto": "http"}, False),
        ("http", "127.0.0.1", {"x-forwarded-for": "1.2.3.4", "x-forwarded-proto": "https"}, True),
    ],
)
def test_keys_travel_over_tls_or_within_the_machine(
    scheme: str, host: str | None, headers: dict[str, str], is_good: bool
) -> None:
    assert is_safe(scheme, host, headers) is is_good


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("sk-0123456789\n", "sk-0123456789"),
        ("  sk-0123456789  ", "sk-0123456789"),
        ('{\n  "type": "service_account"\n}\n', '{\n  "type": "service_account"\n}'),
    ],
)
def test_a_key_is_kept_without_what_its_file_added(text: str, kept: str) -> None:
    assert checked_text(text) == kept


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "short",
        "sk-0123 456789",
        "sk-0123\n456789",
        "sk-0123456789é",
        "x" * (KEY_CHARS_MAX + 1),
        "sk-\x00123456789",
    ],
    ids=["empty", "blank", "short", "space", "lines", "accent", "long", "nul"],
)
def test_what_is_no_key_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(BadRequest) as caught:
        checked_text(text)
    assert not text.strip() or text.strip() not in str(caught.value)


names = st.sampled_from(["a", "b", "c"])


@given(st.none() | st.sets(names, min_size=1), st.none() | st.sets(names))
def test_a_key_is_lent_where_projects_meet(projects: set[str] | None, reached: set[str] | None) -> None:
    expected = projects is None or reached is None or bool(projects & reached)

    assert is_leased_to(projects, reached) is expected
