"""One span attribute from its bytes: which column or meter it fills, and with what. Pure, and very hot."""

from typing import Any, Final

from voicegateway_controller.usage.columns import INDEX
from voicegateway_controller.usage.otlp import DecodeError, KeyValue
from voicegateway_controller.validation.rules import VENDOR_SAYS
from voicegateway_shared.telemetry import attributes as names
from voicegateway_shared.usage import METERS

TEXT_CHARS_MAX: Final = 256
"""Ids, names and models are short; anything longer is an error or an attack."""
QUANTITY_MAX: Final = 10**15
"""30,000 years of milliseconds; keeps every sum of a lifetime inside BIGINT."""
INT_MAX: Final = 2**31 - 1
MEMO_MAX: Final = 32_768
"""Attributes remembered by their bytes: projects, models, and the ids of the calls now running; about 10 MB."""

TEXT, USAGE, REPORTED, REST, IGNORED, BAD = range(6)
Parsed = tuple[int, Any, str]
"""Kind, target (a column's index, or a meter as a JSON key) and the value as text."""

_KIND_TEXT, _KIND_INT, _KIND_BOOL, _KIND_USAGE, _KIND_REPORTED, _KIND_IGNORED = range(6)
MEMO: dict[bytes, Parsed] = {}
_NUMBERS: dict[bytes, str] = {}
_REMEMBERED_BITS: Final = 14
"""Varints of at most two bytes are remembered: at most 16,512 of them."""
_COUNTED: Final = frozenset({_KIND_USAGE, _KIND_REPORTED})
_IGNORE: Final[Parsed] = (IGNORED, None, "")


def _slots() -> dict[bytes, tuple[int, Any, bool]]:
    """Key: (kind, target, is it worth remembering)."""
    slots: dict[str, tuple[int, Any, bool]] = {}
    for key, column in ((names.REQUEST_ID, "request_id"), (names.RESPONSE_ID, "response_id")):
        slots[key] = (_KIND_TEXT, INDEX[column], False)
    for key, column in (
        (names.SESSION_ID, "session_id"),
        (names.ROOM_NAME, "room"),
        (names.JOB_ID, "job_id"),
        (names.SPEECH_ID, "speech_id"),
        (names.PROJECT, "project"),
        (names.AGENT_NAME, "agent"),
        (names.KEY_ID, "key_id"),
        (names.MODALITY, "modality"),
        (names.PROVIDER, "provider"),
        (names.REQUEST_MODEL, "model"),
        (names.RESPONSE_MODEL, "response_model"),
        (names.LANGUAGE, "language"),
        (names.VOICE, "voice"),
        (names.MODE, "mode"),
        (names.SERVICE_TIER, "service_tier"),
        (names.OUTCOME, "outcome"),
        (names.ERROR_TYPE, "error_type"),
    ):
        slots[key] = (_KIND_TEXT, INDEX[column], True)
    for key, column, limit, remembered in (
        (names.STATUS_CODE, "status_code", INT_MAX, True),
        (names.ATTEMPTS, "attempts", INT_MAX, True),
        (names.TTFB_MS, "ttfb_ms", INT_MAX, False),
        (names.DURATION_MS, "duration_ms", QUANTITY_MAX, False),
    ):
        slots[key] = (_KIND_INT, (INDEX[column], limit), remembered)
    slots[names.ESTIMATED] = (_KIND_BOOL, INDEX["estimated"], True)
    for meter in METERS:
        slots[names.USAGE_PREFIX + meter] = (_KIND_USAGE, f'"{meter}":', False)
        slots[names.REPORTED_PREFIX + meter] = (_KIND_REPORTED, f'"{meter}":', False)
        # One column holds both opinions: the plugin's under the meter's name, the vendor's with this before it.
        slots[names.TOLD_PREFIX + meter] = (_KIND_REPORTED, f'"{VENDOR_SAYS}{meter}":', False)
    # Said better by our own attributes; duplicates for the user's own observability.
    for key in (
        names.OPERATION,
        names.USAGE_INPUT_TOKENS,
        names.USAGE_OUTPUT_TOKENS,
        names.USAGE_CACHE_READ_TOKENS,
        names.USAGE_CACHE_CREATION_TOKENS,
    ):
        slots[key] = (_KIND_IGNORED, None, False)
    return {key.encode(): slot for key, slot in slots.items()}


_SLOTS: Final = _slots()


def parse(raw: bytes) -> Parsed:
    """Return what the bytes of one `KeyValue` mean for a row; look into MEMO first.

    Reads the encoding that every OTLP library writes (key, then value, both shorter than 128 bytes) by hand, and
    gives anything else to protobuf.
    """
    size = len(raw)
    if size < 4:
        return _parse_any(raw)
    key_end = 2 + raw[1]
    slot = _SLOTS.get(raw[2:key_end])
    rest = size - key_end - 2
    if slot is None or raw[0] != 0x0A or not 1 < rest < 128 or raw[key_end] != 0x12 or raw[key_end + 1] != rest:
        return _parse_any(raw)
    kind, target, remembered = slot
    tag = raw[key_end + 2]
    if kind in _COUNTED and tag == 0x18:
        digits = raw[key_end + 3 :]
        number = _NUMBERS.get(digits) or _number(digits, QUANTITY_MAX)
        return (USAGE if kind == _KIND_USAGE else REPORTED, target, number) if number else _parse_any(raw)
    if kind == _KIND_IGNORED:
        return _IGNORE
    parsed: Parsed
    if kind == _KIND_TEXT and tag == 0x0A and raw[key_end + 3] == rest - 2:
        try:
            parsed = (TEXT, target, raw[key_end + 4 :].decode())
        except UnicodeDecodeError:
            return (BAD, None, f"{raw[2:key_end].decode()} is not UTF-8")
    elif kind == _KIND_INT and tag == 0x18:
        column, limit = target
        digits = raw[key_end + 3 :]
        number = _NUMBERS.get(digits) or _number(digits, limit)
        if not number:
            return _parse_any(raw)
        parsed = (TEXT, column, number)
    else:
        return _parse_any(raw)
    if remembered:
        _remember(raw, parsed)
    return parsed


def _number(varint: bytes, limit: int) -> str:
    """Return the number as decimal text, or nothing when it is negative, too large, or not one varint."""
    number = shift = byte = 0
    for byte in varint:
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    if number > limit or byte > 0x7F or shift != 7 * len(varint):
        return ""
    text = str(number)
    if shift <= _REMEMBERED_BITS:
        _NUMBERS[varint] = text
    return text


def _remember(raw: bytes, parsed: Parsed) -> None:
    if len(MEMO) >= MEMO_MAX:
        MEMO.clear()
    MEMO[raw] = parsed


def _parse_any(raw: bytes) -> Parsed:
    """Any legal encoding, and every wrong type: slow, exact, with a reason."""
    try:
        pair = KeyValue.FromString(raw)
    except DecodeError:
        return (BAD, None, "an attribute is not a key and a value")
    key, value = pair.key, pair.value
    slot = _SLOTS.get(key.encode())
    if slot is None:
        if key.startswith(names.USAGE_PREFIX):
            return (BAD, None, f"{key[:TEXT_CHARS_MAX]} is not a meter we know")
        return (REST, (key, value), "")
    kind, target, remembered = slot
    which = value.WhichOneof("value")
    parsed: Parsed = _IGNORE
    if kind == _KIND_TEXT:
        text = value.string_value
        if which != "string_value" or len(text) > TEXT_CHARS_MAX:
            return (BAD, None, f"{key} is not a text of at most {TEXT_CHARS_MAX} characters")
        parsed = (TEXT, target, text)
    elif kind == _KIND_BOOL:
        if which != "bool_value":
            return (BAD, None, f"{key} is not true or false")
        parsed = (TEXT, target, "t" if value.bool_value else "f")
    elif kind != _KIND_IGNORED:
        limit = target[1] if kind == _KIND_INT else QUANTITY_MAX
        if which != "int_value" or not 0 <= value.int_value <= limit:
            return (BAD, None, f"{key} is not a whole number from 0 to {limit}")
        if kind == _KIND_INT:
            parsed = (TEXT, target[0], str(value.int_value))
        else:
            parsed = (USAGE if kind == _KIND_USAGE else REPORTED, target, str(value.int_value))
    if remembered:
        _remember(raw, parsed)
    return parsed
