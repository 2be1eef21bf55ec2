"""Estimates: the most a request may use, in the meters its vendor may bill, from what is known before it is sent."""

_NO_AUDIO = {"input_audio_tokens": 0, "cache_read_audio_tokens": 0, "output_audio_tokens": 0}


def most_of_llm(*, input_tokens: int, output_tokens_max: int) -> dict[str, int]:
    """A chat of text. Where nothing is written to a cache, set `cache_write_tokens` and its kin to 0 as well."""
    return {"input_tokens": input_tokens, "output_tokens": output_tokens_max, **_NO_AUDIO, "requests": 1}


def most_of_tts(*, characters: int) -> dict[str, int]:
    """A synthesis of a text that is sent once.

    A vendor that bills spoken tokens has no bound in characters: set `input_tokens` and `output_tokens` as well.
    """
    return {"characters_sent": characters, "characters_failed": 0, "requests": 1}


def most_of_stt(*, audio_ms: int, open_ms: int, has_diarization: bool, has_keyterms: bool) -> dict[str, int]:
    """A stream, or the next stretch of one, that sends so much audio and is open so long.

    A vendor that bills tokens has no bound in time: set `input_tokens` and `output_tokens` as well.
    """
    return {
        "audio_sent_ms": audio_ms,
        "socket_open_ms": open_ms,
        "session_ms": open_ms,
        "diarize_ms": audio_ms if has_diarization else 0,
        "keyterm_ms": audio_ms if has_keyterms else 0,
        "requests": 1,
    }
