"""Asking vendors whether a key is good, by a request that costs nothing."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import aiohttp

from voicegateway_controller.vault.vendors import QUESTIONS, Question

TIMEOUT_S: Final = 10.0
"""A vendor that takes longer to list its models is not well, whatever the key."""
RETRY_LATER: Final = (408, 425, 429)

Verdict = Literal["good", "refused", "unclear", "not_tried"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a vendor said of a key; immutable. It repeats nothing that the vendor wrote, which may hold the key."""

    verdict: Verdict
    status: int | None = None
    """The vendor's HTTP status; None where there was none."""
    took_ms: int = 0
    detail: str = ""


class Asking:
    """Asks vendors. Lives as long as the process; opens a connection for each question."""

    def __init__(self, urls: Mapping[str, str]) -> None:
        """Take where to ask instead of at the vendors themselves, by provider."""
        self._urls = urls

    async def ask(self, provider: str, text: str) -> Answer:
        """Return what the vendor says of a key; never raises for what the vendor or the network does."""
        question = QUESTIONS.get(provider)
        if question is None:
            known = ", ".join(sorted(QUESTIONS))
            return Answer(
                verdict="not_tried", detail=f"we know no free question to {provider}; to these we do: {known}"
            )
        url = self._urls.get(provider, question.url) + question.path
        begun = time.monotonic()
        try:
            status = await self._status(url, question, text)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            # Its text may hold what was sent: the kind of error is enough.
            detail = (
                f"{provider} does not answer ({type(error).__name__}): try again, or look at this machine's network"
            )
            return Answer(verdict="unclear", detail=detail, took_ms=_since_ms(begun))
        return _judged(provider, status, _since_ms(begun))

    async def _status(self, url: str, question: Question, text: str) -> int:
        headers = {question.header: f"{question.prefix}{text}", **(question.more or {})}
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        # A redirect would carry the key to wherever it points.
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(url, headers=headers, allow_redirects=False) as response,
        ):
            return response.status


def _judged(provider: str, status: int, took_ms: int) -> Answer:
    if 200 <= status < 300:
        return Answer(verdict="good", status=status, took_ms=took_ms, detail=f"{provider} takes this key")
    if status in (401, 403):
        return Answer(
            verdict="refused",
            status=status,
            took_ms=took_ms,
            detail=f"{provider} refuses this key ({status}): it is wrong, was revoked there, or may not list models",
        )
    advice = "try again later" if status in RETRY_LATER or status >= 500 else "nothing is known of the key"
    return Answer(verdict="unclear", status=status, took_ms=took_ms, detail=f"{provider} answered {status}: {advice}")


def _since_ms(begun: float) -> int:
    return round((time.monotonic() - begun) * 1_000)
