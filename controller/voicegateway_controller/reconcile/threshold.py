"""How much drift is let pass. Pure."""

import re
from dataclasses import dataclass
from typing import Final

from voicegateway_shared.errors import ConfigurationError
from voicegateway_shared.money import parse_usd

THRESHOLD_DEFAULT: Final = "0.5%"
_PERCENT: Final = re.compile(r"([0-9]{1,3})(?:\.([0-9]{1,6}))?%", re.ASCII)
_PERCENT_DIGITS: Final = 6


@dataclass(frozen=True, slots=True)
class Threshold:
    """How much drift is let pass: so much money, or so many millionths of a percent of the vendor's amount."""

    text: str
    pico_usd: int | None
    micro_percent: int | None

    @classmethod
    def parse(cls, text: str) -> "Threshold":
        """Read `0.5%` or `$1.00`. Raises ConfigurationError for anything else."""
        text = text.strip()
        match = _PERCENT.fullmatch(text)
        if match is not None:
            digits = (match[2] or "").ljust(_PERCENT_DIGITS, "0")
            return cls(text, None, int(match[1]) * 10**_PERCENT_DIGITS + int(digits))
        try:
            pico_usd = parse_usd(text.removeprefix("$"))
        except ValueError as error:
            raise ConfigurationError(
                f"threshold {text!r} is neither a percentage nor money: write 0.5% or $1.00"
            ) from (error)
        if pico_usd < 0:
            raise ConfigurationError(f"threshold {text!r} is below zero: write 0.5% or $1.00")
        return cls(text, pico_usd, None)

    def admits(self, drift_pico_usd: int, *, base_pico_usd: int) -> bool:
        """Whether so much drift of so large an amount is within it."""
        if self.pico_usd is not None:
            return drift_pico_usd <= self.pico_usd
        return drift_pico_usd * 100 * 10**_PERCENT_DIGITS <= (self.micro_percent or 0) * abs(base_pico_usd)
