"""Differences to other price maps that somebody looked into: each with the reason, and how large it was then.

An entry explains a difference of its own size only. When either side changes, the difference is new again.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

_WITHIN: Final = Fraction(1, 100)
"""How far a ratio may be from the one that was looked into."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownDifference:
    """Why another map says otherwise: `ratio` is theirs over ours; `when` is `*` for any context."""

    against: str
    provider: str
    model: str
    meter: str
    reason: str
    what: str = "amount"
    ratio: str = "1"
    when: str = ""

    def still_explains(self, what: str, ratio: Fraction | None) -> bool:
        """Whether a difference is the one that was looked into."""
        if what != self.what:
            return False
        if what != "amount":
            return True
        return ratio is not None and abs(ratio / Fraction(self.ratio) - 1) <= _WITHIN


_CONFLICT: Final = (
    "the vendor's model pages and its price list disagree on audio tokens; ours are the pages', and "
    "rate_card=price_list selects the other"
)
_MINIMUM: Final = "the vendor bills at least 10 s a request, which this map does not know: 70 % too little for 3 s"
_OLD_CREDITS: Final = "the map has the price of credits on an old plan, $0.18 for 1000; the API's list price is $0.10"
_SPEECH: Final = "a reading of the vendor's Costs API came to $0.60 a million text tokens in, not $2.50"

KNOWN: Final[tuple[KnownDifference, ...]] = (
    *(
        KnownDifference(
            against=against,
            provider="openai",
            model=model,
            meter="input_audio_tokens",
            ratio="2.4",
            when="*",
            reason=_CONFLICT,
        )
        for against in ("genai-prices", "litellm-json")
        for model in ("gpt-4o-transcribe", "gpt-4o-mini-transcribe")
    ),
    KnownDifference(
        against="litellm-json",
        provider="deepgram",
        model="nova-3",
        meter="audio_sent_ms",
        ratio="43/48",
        reason="the map's plain name has the batch price, $0.0043 a minute; its streaming/nova-3 has $0.0048",
    ),
    *(
        KnownDifference(
            against="litellm-json",
            provider="groq",
            model=model,
            meter="audio_sent_ms",
            what="minimum",
            reason=_MINIMUM,
        )
        for model in ("whisper-large-v3", "whisper-large-v3-turbo")
    ),
    *(
        KnownDifference(
            against="litellm-json",
            provider="elevenlabs",
            model=model,
            meter="characters_sent",
            ratio="1.8",
            reason=_OLD_CREDITS,
        )
        for model in ("eleven_multilingual_v2", "eleven_v3")
    ),
    KnownDifference(
        against="litellm-json",
        provider="openai",
        model="gpt-4o-mini-tts",
        meter="input_tokens",
        ratio="25/6",
        reason=_SPEECH,
    ),
)
