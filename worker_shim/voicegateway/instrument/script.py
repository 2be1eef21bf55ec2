"""Script: how far the text of a speech was said, told from its timed words, or from the seconds of its audio.

Pure rules. A position is an index into the text; a unit is what takes as long to say as one letter.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

UNITS_PER_S: Final = 15.0
"""Of an unhurried voice: letters a second, blanks included."""
MEASURED_S_MIN: Final = 1.0
"""A voice that was heard for less has no pace of its own yet."""
MEASURED_S_MAX: Final = 60.0
"""What was heard longer ago weighs half: a voice may be told to speak faster."""
WORD_TOLERANCE_S: Final = 0.05
"""A word that lacks so much is said: vendors round, and the end of a word is breath."""
LOOK_AHEAD: Final = 40
"""Within so many characters a timed word is looked for: vendors leave out what is not spoken."""
IDEOGRAPH_UNITS: Final = 3
"""Of a script without blanks: five of its characters a second."""

_IDEOGRAPHS: Final = "぀-ヿ㐀-䶿一-鿿豈-﫿"
_PIECE: Final = re.compile(rf"(?P<mark><[^<>]*>)|(?P<sign>[{_IDEOGRAPHS}])|[^\s<{_IDEOGRAPHS}]+|<")


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedWord:
    """A word, or several, with when it is said, from the start of its voice; None where that was not told."""

    text: str
    start_s: float | None
    end_s: float | None


@dataclass(slots=True, kw_only=True)
class Pace:
    """How fast a voice speaks, as far as it was heard. Lives as long as its plugin."""

    units: float = 0.0
    seconds: float = 0.0

    def learn(self, text: str, seconds: float) -> None:
        """Note that a text took so long."""
        if self.seconds > MEASURED_S_MAX:
            self.units, self.seconds = self.units / 2, self.seconds / 2
        self.units += units(text)
        self.seconds += seconds

    @property
    def units_per_s(self) -> float:
        """Measured, else usual."""
        return self.units / self.seconds if self.seconds >= MEASURED_S_MIN and self.units else UNITS_PER_S


def units(text: str) -> int:
    """How long a text is to say: markup takes no time, a blank as much as a letter."""
    return max((before + length for _, before, length in _pieces(text, 0)), default=0)


def is_speakable(text: str) -> bool:
    """Whether there is anything in a text to be said."""
    return any(any(map(str.isalnum, piece.group())) for piece in _PIECE.finditer(text) if piece.lastgroup != "mark")


def said_until(text: str, start: int, words: Sequence[TimedWord], *, heard_s: float, units_per_s: float) -> int:
    """Where the first word begins that was not said to its end, by a voice that began at `start` and was heard so long.

    By its timed words as far as they reach, and beyond them, or without any, by its pace.
    """
    place, known_s = Place(position=start), 0.0
    for number, word in enumerate(words):
        end_s = word.end_s if word.end_s is not None else _start_of_next(words, number)
        if end_s is None:
            known_s = max(known_s, word.start_s or 0.0)
            break
        if end_s > heard_s + WORD_TOLERANCE_S:
            return place.of(text, word.text)
        place.go_past(text, word.text)
        known_s = max(known_s, end_s)
    position = place.reached(text)
    if known_s >= MEASURED_S_MIN:
        units_per_s = units(text[start:position]) / known_s or units_per_s
    return _beyond(text, position, (heard_s - known_s) * units_per_s)


@dataclass(slots=True, kw_only=True)
class Place:
    """How far a text was told, word for word. What is said otherwise than written is made good by the next word."""

    position: int = 0
    missed: int = 0
    """Units of words that were told since and are not found."""

    def go_past(self, text: str, word: str) -> None:
        """Note that a word was told, with its punctuation."""
        said = word.strip()
        found = self._find(text, said)
        if found is None:
            self.missed += units(said) + 1
            return
        end = found + len(said)
        while said and end < len(text) and not (text[end].isalnum() or text[end].isspace() or text[end] == "<"):
            end += 1
        self.position, self.missed = end, 0

    def of(self, text: str, word: str) -> int:
        """Where a word begins that was not told yet."""
        found = self._find(text, word.strip())
        return _word_at(text, self.reached(text) if found is None else found)

    def reached(self, text: str) -> int:
        """Where the text goes on."""
        return _beyond(text, self.position, self.missed) if self.missed else self.position

    def _find(self, text: str, said: str) -> int | None:
        at, end = self.position, self.position + self.missed + len(said) + LOOK_AHEAD
        while (at := text.find(said, at, end)) >= 0:
            # Not within another word, unless it is the next part of one.
            is_whole = not (text[at - 1 : at].isalnum() or text[at + len(said) : at + len(said) + 1].isalnum())
            if is_whole or at == self.position:
                return at
            at += 1
        return None


def _beyond(text: str, position: int, said_units: float) -> int:
    """Where the first word begins that so many units do not reach the end of."""
    for start, before, length in _pieces(text, position):
        if length and before + length > said_units + 0.5:
            return start
    return len(text)


def _word_at(text: str, position: int) -> int:
    found = _PIECE.search(text, position)
    return len(text) if found is None else found.start()


def _start_of_next(words: Sequence[TimedWord], number: int) -> float | None:
    return words[number + 1].start_s if number + 1 < len(words) else None


def _pieces(text: str, position: int) -> Iterator[tuple[int, int, int]]:
    """Where each piece begins, how many units come before it, and how many it has."""
    before, ended = 0, position
    for piece in _PIECE.finditer(text, position):
        length = len(piece.group())
        if piece.lastgroup == "mark":
            length = 0
        elif piece.lastgroup == "sign":
            length = IDEOGRAPH_UNITS
        before += int(before > 0 and piece.start() > ended and length > 0)
        yield piece.start(), before, length
        before, ended = before + length, piece.end()
