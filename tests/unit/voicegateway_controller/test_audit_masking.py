"""Texts of fields named like secrets never reach the audit log as they are, wherever they stand."""

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from voicegateway_controller.audit.record import SECRET_WORDS, masked

SECRET = "planted-0123456789-abcdefghij-2345"
NAMES = st.sampled_from(SECRET_WORDS).flatmap(
    lambda word: st.sampled_from([word, word.upper(), f"openai_{word}", f"{word}_text"])
)
HARMLESS = st.none() | st.booleans() | st.integers() | st.text(max_size=20)
# Below such a name all texts are secret, whatever shape they have.
SECRETS = st.sampled_from([SECRET, [SECRET], {"value": SECRET}, [{"a": [SECRET]}], (SECRET, 1)])
DOCUMENTS = st.recursive(
    HARMLESS | st.builds(lambda name, secret: {name: secret}, NAMES, SECRETS),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=8), inner, max_size=3)
        | st.tuples(NAMES, inner).map(lambda pair: {pair[0]: SECRET, "beside": pair[1]})
    ),
    max_leaves=20,
)


@given(DOCUMENTS)
def test_no_planted_secret_is_written_down(document: Any) -> None:
    written = msgspec.json.encode(masked(document)).decode()

    assert SECRET not in written
    assert SECRET[4:-4] not in written


@given(st.recursive(HARMLESS, lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from("abc"), inner)))
def test_what_is_no_secret_is_written_down_whole(document: Any) -> None:
    assert masked(document) == document
