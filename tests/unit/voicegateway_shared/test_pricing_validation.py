"""Price files: every mistake is refused by name, with file, line, row and key."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fixtures.hostile_texts import HOSTILE
from tests.unit.voicegateway_shared.price_file import GOOD_ROW, file_with, problems_of

from voicegateway_shared.pricing import Catalog, read_document
from voicegateway_shared.pricing.yaml_text import DOCUMENT_BYTES_MAX


def test_good_file_is_accepted() -> None:
    catalog = Catalog.from_texts({"acme.yaml": file_with(GOOD_ROW)})

    assert [(price.model, price.amount) for price in catalog.prices] == [("m", "0.0048")]


def test_problem_names_file_line_row_and_key() -> None:
    (problem,) = problems_of(file_with("meter: audio_sent_ms, amount: 0.0048"))

    assert problem == (
        "acme.yaml:16: models[m].prices[audio_sent_ms].amount: "
        '0.0048 must be a quoted string such as "0.0048": a bare number may be a rounded one'
    )


@pytest.mark.parametrize(
    ("row", "key", "message"),
    [
        ("meter: audio_sent_ms, amount: 1", "amount", "quoted string"),
        ('meter: audio_sent_ms, amount: "1e-3"', "amount", "not a plain decimal"),
        ('meter: audio_sent_ms, amount: "-1"', "amount", "not a plain decimal"),
        ('meter: audio_sent_ms, amount: "0.0000000000001"', "amount", "not a plain decimal"),
        ("meter: audio_sent_ms, amount: [1]", "amount", "not a plain decimal"),
        ("meter: audio_sent_ms", "amount", "either amount"),
        (f'{GOOD_ROW}, credits: "1"', "amount", "either amount"),
        ("meter: audio_sent_ms, credits: 1.5", "credits", "quoted string"),
        ('meter: audio_sent_s, amount: "1"', "meter", "is not a meter"),
        ('amount: "1"', "meter", "is not a meter"),
        (f"{GOOD_ROW}, per: 1000", "per", "is not a quantity"),
        (f"{GOOD_ROW}, per: 0 minutes", "per", "is nothing"),
        (f"{GOOD_ROW}, per: 1 fortnight", "per", "unknown unit"),
        (f"{GOOD_ROW}, per: 1__000 minutes", "per", "is not a quantity"),
        (f"{GOOD_ROW}, per: 1 token", "per", "does not count what the meter counts"),
        (f"{GOOD_ROW}, minimum: 1 token", "minimum", "does not count"),
        (f"{GOOD_ROW}, increment: one second", "increment", "is not a quantity"),
        (f"{GOOD_ROW}, rounding: sideways", "rounding", "must be one of"),
        (f"{GOOD_ROW}, rounding_scope: invoice", "rounding_scope", "must be one of"),
        (f"{GOOD_ROW}, confidence: sure", "confidence", "must be one of"),
        (f"{GOOD_ROW}, confidence: null", "confidence", "must be one of"),
        (f"{GOOD_ROW}, source: elsewhere", "source", "one of this file's sources"),
        (f"{GOOD_ROW}, source: [page]", "source", "one of this file's sources"),
        (f"{GOOD_ROW}, when: {{weather: fine}}", "when.weather", "not declared"),
        (f"{GOOD_ROW}, when: {{mode: dreaming}}", "when.mode", "must be one of"),
        (f"{GOOD_ROW}, when: {{mode: [batch]}}", "when.mode", "must be one of"),
        (f"{GOOD_ROW}, when: batch", "when", "must be a mapping"),
        (f"{GOOD_ROW}, times: mode", "times", "context key that holds a count"),
        (f"{GOOD_ROW}, times: 2", "times", "context key that holds a count"),
        (f"{GOOD_ROW}, multiplier: 1.5", "multiplier", "quoted string"),
        (f"{GOOD_ROW}, list_amount: 2", "list_amount", "quoted string"),
        (f"{GOOD_ROW}, minus: audio_pushed_ms", "minus", "list of meters"),
        (f"{GOOD_ROW}, minus: [nonsense]", "minus", "is not a meter"),
        (f"{GOOD_ROW}, minus: [[audio_pushed_ms]]", "minus", "is not a meter"),
        (f"{GOOD_ROW}, minus: [input_tokens]", "minus", "counts token, not ms"),
        (f"{GOOD_ROW}, minus: [audio_sent_ms]", "minus", "must not repeat"),
        (f"{GOOD_ROW}, minus: [audio_pushed_ms]", "minus", "no price of its own"),
        (f"{GOOD_ROW}, minus: [session_ms], not_billed: [session_ms]", "not_billed", "must not repeat"),
        (f"{GOOD_ROW}, effective_from: 2026-01-01", "effective_from", "instant in UTC"),
        (f"{GOOD_ROW}, effective_from: 2026-01-01T00:00:00", "effective_from", "instant in UTC"),
        (f"{GOOD_ROW}, effective_from: 2026-01-01T00:00:00+02:00", "effective_from", "instant in UTC"),
        (
            f"{GOOD_ROW}, effective_from: 2026-01-02T00:00:00Z, effective_to: 2026-01-01T00:00:00Z",
            "effective_to",
            "must be after",
        ),
        (f"{GOOD_ROW}, tiers: [1]", "tiers", "{kind, basis, steps}"),
        (f"{GOOD_ROW}, tiers: {{kind: slope, steps: []}}", "kind", "must be one of"),
        (f"{GOOD_ROW}, tiers: {{kind: cliff, steps: []}}", "tiers.steps", "must be a list"),
        (f"{GOOD_ROW}, tiers: {{kind: cliff, basis: [x], steps: []}}", "tiers.basis", "is not a meter"),
        (f"{GOOD_ROW}, tiers: {{kind: graduated, basis: session_ms, steps: []}}", "tiers.basis", "own meter"),
        (f"{GOOD_ROW}, tiers: {{kind: cliff, steps: [{{above: 1 minute}}]}}", "tiers.steps", "{above, amount}"),
        (f'{GOOD_ROW}, tiers: {{kind: cliff, steps: [{{above: 1 token, amount: "1"}}]}}', "above", "does not count"),
        (f"{GOOD_ROW}, tiers: {{kind: cliff, steps: [{{above: 1 minute, amount: 1}}]}}", "amount", "quoted string"),
        (
            f'{GOOD_ROW}, tiers: {{kind: cliff, steps: [{{above: 2 ms, amount: "1"}}, {{above: 1 ms, amount: "2"}}]}}',
            "tiers.steps",
            "must rise",
        ),
        (
            f'{GOOD_ROW}, list_amount: "1", tiers: {{kind: cliff, steps: [{{above: 2 ms, amount: "1"}}]}}',
            "list_amount",
            "beside tiers",
        ),
        (f"{GOOD_ROW}, colour: red", "colour", "is not a key here"),
    ],
)
def test_wrong_key_of_a_row_is_refused(row: str, key: str, message: str) -> None:
    (problem,) = problems_of(file_with(row))

    assert ".prices[" in problem
    assert f".{key}:" in problem
    assert message in problem


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("provider: acme", "provider: 7", "provider: must be the provider's id"),
        ("provider: acme", "provider: acme\nprovider: acme", "stands here twice"),
        ("provider: acme", "provider: acme\nsurprise: 1", "file.surprise: is not a key here"),
        ("provider: acme", "provider: acme\n1: 2", "the key 1 means a number in YAML; put it in quotes"),
        ("2026-11-21T00:00:00Z", "yesterday", "recorded_at: 'yesterday' must be an instant"),
        ("read_on: 2026-11-21", "read_on: last week", "sources.page: must be {url"),
        ("read_on: 2026-11-21", "read_on: 2026-11-21T00:00:00Z", "sources.page: must be {url"),
        ("read_on: 2026-11-21", "read_at: 2026-11-21", "sources.page: must be {url"),
        ("default: streaming, values", "values", "context.mode.default: is missing"),
        ("default: streaming", "default: live", "context.mode.default: must be one of its values"),
        ("default: streaming", "otherwise: live, default: streaming", "context.mode.otherwise: must be one"),
        ("batch: []", "batch: [realtime]", "'realtime' means two things"),
        ("batch: []", "batch: none", "context.mode.values.batch: must be a list of texts"),
        ("default: streaming", "default: streaming, extra: 1", "context.mode.extra: is not a key here"),
        ("values: {small: [], large: []}", "values: [small]", "context.plan: must be {default"),
        ('amount: "5"', "amount: 5", "credit_plans[small].amount: 5 must be a quoted string"),
        ("100_000 credits", "100_000 tokens", "credit_plans[small].per: must count credits"),
        ("{plan: small", "{plan: giant", "credit_plans[giant].plan: must be a value of context.plan"),
        ("modality: stt", "modality: smell", "modality: 'smell' must be one of"),
        ("modality: stt", "modality: stt, meter: requests", "defaults.row.meter: is not a key here"),
        ("row: {modality", "other: {modality", "models.like: 'row' must be one of this file's defaults"),
        ("  - model: m\n", "  - model: 5\n", "models.model: must be the vendor's own model id"),
        ("  - model: m\n", "  - model: m\n    aliases: n\n", "models[m].aliases: must be a list of texts"),
        ("  - model: m\n", "  - model: m\n    aliases: ['m-{day}']\n", "unknown placeholder"),
        ("  - model: m\n", "  - model: m\n    meter: requests\n", "models.meter: is not a key here"),
        ("      - {meter", "      a: {meter", "prices: must be a list of mappings"),
        ("models:", "models: [1]\nmodel_list:", "models: must be a list of mappings"),
    ],
)
def test_wrong_key_of_a_file_is_refused(old: str, new: str, message: str) -> None:
    text = file_with(GOOD_ROW)
    assert old in text

    assert message in "\n".join(problems_of(text.replace(old, new, 1)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "no valid YAML"),
        ("- 1", "must be a mapping"),
        ("", "must be a mapping"),
        ("a: !!python/object:os.system {}", "tags such as"),
        ("#" * (DOCUMENT_BYTES_MAX + 1), "larger than"),
    ],
)
def test_text_that_is_no_price_file_is_refused(text: str, message: str) -> None:
    assert message in problems_of(text)[0]


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_text_that_nobody_means_is_refused_with_short_words(text: str) -> None:
    assert all(len(problem) < 1_000 for problem in problems_of(text))


@pytest.mark.parametrize("year", ["0001", "9999"])
def test_instant_at_the_ends_of_the_calendar_is_refused(year: str) -> None:
    (problem,) = problems_of(file_with(f"{GOOD_ROW}, effective_from: {year}-12-31T00:00:00Z"))

    assert "effective_from" in problem
    assert "must be an instant in UTC" in problem


def test_all_mistakes_are_told_at_once() -> None:
    text = file_with('meter: audio_sent_ms, amount: 1}\n      - {meter: nonsense, amount: "1"')

    assert len(problems_of(text)) == 2


# --- whatever stands in a file, reading it ends in problems and never in a crash -------------------
_VALUES = st.sampled_from(["7", "1.5", "true", "null", "[]", "[[]]", "{}", "{a: {b: c}}", "text", "2026-01-01", '""'])
_SPOTS = ["acme", "page", "streaming", "[realtime]", "small", '"5"', "100_000 credits", "stt", "1 minute", "published"]
_SPOTS += ["m", "row", "audio_sent_ms", '"0.0048"', "2026-11-21", "{streaming: [realtime], batch: []}", "[session_ms]"]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(_SPOTS), _VALUES), min_size=1, max_size=4))
def test_misplaced_values_never_crash_the_reader(changes: list[tuple[str, str]]) -> None:
    text = file_with(f"{GOOD_ROW}, fallback: [session_ms], when: {{mode: streaming}}, note: n")
    for spot, value in changes:
        text = text.replace(f" {spot}", f" {value}")

    document = read_document(text, name="acme.yaml")

    assert all(problem.startswith("acme.yaml") for problem in document.problems)
