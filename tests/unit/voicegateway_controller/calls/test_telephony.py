"""What is declared of call legs: the first rule that holds, and mistakes that are named."""

from pathlib import Path

import pytest

from voicegateway_controller.calls.telephony import LegRule, read_telephony
from voicegateway_shared.errors import ConfigurationError

RULES = """
plan: scale
default_project: shop
legs:
  - {trunk: ST_a, direction: inbound, livekit: us-local-inbound, project: acme}
  - {number: "+1800*", livekit: us-tollfree-inbound}
  - {direction: outbound, remote: "+44*", carrier: telnyx/uk-outbound}
  - {trunk: ST_own, livekit: none, carrier: twilio/us-sip-inbound}
"""


@pytest.mark.parametrize(
    ("leg", "expected"),
    [
        (("ST_a", "", "", "inbound"), ("us-local-inbound", "", "", "acme")),
        (("ST_a", "", "", "outbound"), ("sip-third-party", "", "", "")),
        (("ST_b", "+18005550100", "", "inbound"), ("us-tollfree-inbound", "", "", "")),
        (("ST_b", "+15105550100", "+442071234567", "outbound"), ("sip-third-party", "telnyx", "uk-outbound", "")),
        (("ST_b", "+15105550100", "+442071234567", "inbound"), ("sip-third-party", "", "", "")),
        (("ST_own", "", "", "outbound"), ("", "twilio", "us-sip-inbound", "")),
    ],
)
def test_the_first_rule_that_holds_says_what_a_leg_is_billed_as(
    leg: tuple[str, str, str, str], expected: tuple[str, str, str, str]
) -> None:
    trunk, number, remote, direction = leg

    rule = read_telephony(RULES).rule(trunk=trunk, number=number, remote=remote, direction=direction)

    assert (rule.livekit, rule.carrier_provider, rule.carrier_model, rule.project) == expected


@pytest.mark.parametrize(
    ("text", "url", "is_cloud"),
    [
        ("", "", True),
        ("", "wss://demo-1a2b.livekit.cloud", True),
        ("", "wss://livekit.example.com", False),
        ("livekit: cloud", "wss://livekit.example.com", True),
        ("livekit: self-hosted", "wss://demo-1a2b.livekit.cloud", False),
    ],
)
def test_only_livekits_own_cloud_bills_minutes(text: str, url: str, is_cloud: bool) -> None:
    assert read_telephony(text, livekit_url=url).is_cloud is is_cloud


def test_telephony_can_lie_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "telephony.yaml"
    path.write_text(RULES)

    assert read_telephony(str(path)) == read_telephony(RULES)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("legs: {}", "legs must be a list"),
        ("trunks: []", "telephony has no key 'trunks'"),
        ("legs: [{trunk: ST_a, carier: twilio/x}]", r"legs\[0\] has no key 'carier'"),
        ("legs: [{carrier: twilio}]", r"legs\[0\].carrier must be provider/model"),
        ("legs: [{direction: sideways}]", r"legs\[0\].direction must be one of inbound, outbound"),
        ("legs: [{number: +15105550100}]", r"legs\[0\].number must be a text .* in quotes"),
        ("legs: [ST_a]", r"legs\[0\] must be a mapping"),
        ("livekit: on-premises", "livekit must be one of cloud, self-hosted"),
        ("a: [", "it is no YAML"),
        ("/nowhere/telephony.yaml", "cannot be read"),
        ("just words", "it must be YAML with the keys"),
    ],
)
def test_a_mistake_is_named(text: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        read_telephony(text)


def test_a_leg_that_no_rule_is_about_is_billed_by_livekit_alone() -> None:
    assert read_telephony("").rule(trunk="ST_x", number="", remote="", direction="inbound") == LegRule()
