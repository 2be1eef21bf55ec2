"""How far a text was said: by timed words as far as they reach, else by pace; always from the start of a word."""

import pytest

from voicegateway.instrument import script
from voicegateway.instrument.script import Pace, TimedWord

TEXT = "Hello there, it is five past three. Good night."


def timed(*words: tuple[str, float | None, float | None]) -> list[TimedWord]:
    return [TimedWord(text=text, start_s=start, end_s=end) for text, start, end in words]


EVEN = timed(*[(word, n / 2, n / 2 + 0.5) for n, word in enumerate(TEXT.split())])
BARE = timed(("Hello", 0.0, 0.5), ("there", 0.5, 1.0))
SENTENCES = timed((TEXT[:36], 0.0, None), (TEXT[36:], 2.6, None))
OTHERWISE = timed(("Bonjour", 0.0, 0.5), ("it", 0.5, 1.0))


@pytest.mark.parametrize(
    ("words", "heard_s", "rest"),
    [
        pytest.param([], 0.0, TEXT, id="nothing"),
        pytest.param([], 0.4, "there, it is five past three. Good night.", id="a word by pace"),
        pytest.param([], 0.25, TEXT, id="less than a word"),
        pytest.param([], 60.0, "", id="all by pace"),
        pytest.param(EVEN, 1.0, "it is five past three. Good night.", id="two words by time"),
        pytest.param(EVEN, 0.97, "it is five past three. Good night.", id="a word but for its breath"),
        pytest.param(EVEN, 1.2, "it is five past three. Good night.", id="within a word"),
        pytest.param(EVEN, 60.0, "", id="all by time"),
        pytest.param(EVEN[:3], 1.5, "is five past three. Good night.", id="as far as times go"),
        # Fifteen units in 1.5 s, then ten a second.
        pytest.param(EVEN[:3], 2.3, "past three. Good night.", id="beyond the times by the pace of the times"),
        pytest.param(BARE, 1.0, "it is five past three. Good night.", id="commas"),
        pytest.param(SENTENCES, 2.6, "Good night.", id="a sentence ends with the next"),
        pytest.param(OTHERWISE, 1.0, "is five past three. Good night.", id="otherwise"),
    ],
)
def test_the_next_voice_begins_with_the_first_word_that_was_not_said(
    words: list[TimedWord], heard_s: float, rest: str
) -> None:
    at = script.said_until(TEXT, 0, words, heard_s=heard_s, units_per_s=script.UNITS_PER_S)

    assert TEXT[at:] == rest


def test_a_voice_that_began_later_is_counted_from_there() -> None:
    at = script.said_until(TEXT, 36, [], heard_s=0.3, units_per_s=15)

    assert TEXT[at:] == "night."


def test_markup_takes_no_time_and_is_not_cut() -> None:
    text = 'Well <emotion value="very sad indeed"/> it is late.'
    at = script.said_until(text, 0, [], heard_s=0.6, units_per_s=15)

    assert script.units(text) == script.units("Well it is late.")
    assert text[at:] == "is late."
    assert not script.is_speakable('<break time="1s"/> …')
    assert script.is_speakable("<b>5</b>")


def test_text_without_blanks_is_cut_between_its_signs() -> None:
    text = "今日はいい天気です"
    at = script.said_until(text, 0, [], heard_s=1.0, units_per_s=15)

    assert text[at:] == "天気です"


def test_what_is_said_otherwise_than_written_is_made_good_by_the_next_word() -> None:
    text = "It costs $20 in all, within two weeks."
    words = timed(("It", 0.0, 0.2), ("costs", 0.2, 0.5), ("twenty", 0.5, 0.9), ("dollars", 0.9, 1.4), ("in", 1.4, 1.6))

    assert text[script.said_until(text, 0, words, heard_s=1.4, units_per_s=15) :] == "in all, within two weeks."
    assert text[script.said_until(text, 0, words, heard_s=1.6, units_per_s=15) :] == "all, within two weeks."


def test_a_voices_pace_is_usual_until_it_was_heard() -> None:
    pace = Pace()
    pace.learn("short", 0.4)
    before = pace.units_per_s
    pace.learn("a" * 20, 1.6)
    after = pace.units_per_s
    for _ in range(200):
        pace.learn("a" * 20, 1.0)

    assert before == script.UNITS_PER_S
    assert after == pytest.approx(25 / 2)
    assert pace.units_per_s == pytest.approx(20, rel=0.05)
    assert pace.seconds < 2 * script.MEASURED_S_MAX
