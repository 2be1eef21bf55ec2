"""Fingerprints: the names of keys in every book there is."""

from voicegateway.registry import fingerprint as of_the_shim
from voicegateway_shared.fingerprints import fingerprint

KEY = "sk-test-0123456789abcdefghij"


def test_a_fingerprint_never_changes() -> None:
    # In ledgers and limits of years: another function would make every key another account.
    assert fingerprint(KEY) == "9351ab40e024"


def test_the_shim_and_the_controller_call_a_key_the_same() -> None:
    assert of_the_shim(KEY) == fingerprint(KEY)
    assert fingerprint(None) == of_the_shim("") == ""
