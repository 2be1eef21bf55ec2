"""Price files: every mistake is refused by name, with file, line, row and key."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicegateway_shared.pricing import Catalog, CatalogError, local_document, read_document
from voicegateway_shared.pricing.yaml_text import DOCUMENT_BYTES_MAX

_HEAD = """provider: acme
recorded_at: 2026-11-21T00:00:00Z
sources:
  page: {url: "https://acme.example/pricing", read_on: 2026-11-21}
context:
  mode: {default: streaming, values: {streaming: [realtime], batch: []}}
  plan: {default: small, values: {small: [], large: []}}
credit_plans:
  - {plan: small, amount: "5", per: 100_000 credits, source: page}
defaults:
  row: {modality: stt, per: 1 minute, source: page, confidence: published}
"""
_GOOD_ROW = 'meter: audio_sent_ms, amount: "0.0048"'


def _file(row: str) -> str:
    return f"{_HEAD}models:\n  - model: m\n    like: row\n    prices:\n      - {{{row}}}\n"


def _problems(text: str) -> tuple[str, ...]:
    with pytest.raises(CatalogError) as caught:
        Catalog.from_texts({"acme.yaml": text})
    assert caught.value.code == "catalog_error"
    assert all(problem.startswith("acme.yaml") for problem in caught.value.problems)
    return caught.value.problems


def test_good_file_is_accepted() -> None:
    catalog = Catalog.from_texts({"acme.yaml": _file(_GOOD_ROW)})

    assert [(price.model, price.amount) for price in catalog.prices] == [("m", "0.0048")]


def test_problem_names_file_line_row_and_key() -> None:
    (problem,) = _problems(_file("meter: audio_sent_ms, amount: 0.0048"))

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
        (f'{_GOOD_ROW}, credits: "1"', "amount", "either amount"),
        ("meter: audio_sent_ms, credits: 1.5", "credits", "quoted string"),
        ('meter: audio_sent_s, amount: "1"', "meter", "is not a meter"),
        ('amount: "1"', "meter", "is not a meter"),
        (f"{_GOOD_ROW}, per: 1000", "per", "is not a quantity"),
        (f"{_GOOD_ROW}, per: 0 minutes", "per", "is nothing"),
        (f"{_GOOD_ROW}, per: 1 fortnight", "per", "unknown unit"),
        (f"{_GOOD_ROW}, per: 1__000 minutes", "per", "is not a quantity"),
        (f"{_GOOD_ROW}, per: 1 token", "per", "does not count what the meter counts"),
        (f"{_GOOD_ROW}, minimum: 1 token", "minimum", "does not count"),
        (f"{_GOOD_ROW}, increment: one second", "increment", "is not a quantity"),
        (f"{_GOOD_ROW}, rounding: sideways", "rounding", "must be one of"),
        (f"{_GOOD_ROW}, rounding_scope: invoice", "rounding_scope", "must be one of"),
        (f"{_GOOD_ROW}, confidence: sure", "confidence", "must be one of"),
        (f"{_GOOD_ROW}, confidence: null", "confidence", "must be one of"),
        (f"{_GOOD_ROW}, source: elsewhere", "source", "one of this file's sources"),
        (f"{_GOOD_ROW}, source: [page]", "source", "one of this file's sources"),
        (f"{_GOOD_ROW}, when: {{weather: fine}}", "when.weather", "not declared"),
        (f"{_GOOD_ROW}, when: {{mode: dreaming}}", "when.mode", "must be one of"),
        (f"{_GOOD_ROW}, when: {{mode: [batch]}}", "when.mode", "must be one of"),
        (f"{_GOOD_ROW}, when: batch", "when", "must be a mapping"),
        (f"{_GOOD_ROW}, times: mode", "times", "context key that holds a count"),
        (f"{_GOOD_ROW}, times: 2", "times", "context key that holds a count"),
        (f"{_GOOD_ROW}, multiplier: 1.5", "multiplier", "quoted string"),
        (f"{_GOOD_ROW}, list_amount: 2", "list_amount", "quoted string"),
        (f"{_GOOD_ROW}, minus: audio_pushed_ms", "minus", "list of meters"),
        (f"{_GOOD_ROW}, minus: [nonsense]", "minus", "is not a meter"),
        (f"{_GOOD_ROW}, minus: [[audio_pushed_ms]]", "minus", "is not a meter"),
        (f"{_GOOD_ROW}, minus: [input_tokens]", "minus", "counts token, not ms"),
        (f"{_GOOD_ROW}, minus: [audio_sent_ms]", "minus", "must not repeat"),
        (f"{_GOOD_ROW}, minus: [audio_pushed_ms]", "minus", "no price of its own"),
        (f"{_GOOD_ROW}, minus: [session_ms], not_billed: [session_ms]", "not_billed", "must not repeat"),
        (f"{_GOOD_ROW}, effective_from: 2026-01-01", "effective_from", "instant in UTC"),
        (f"{_GOOD_ROW}, effective_from: 2026-01-01T00:00:00", "effective_from", "instant in UTC"),
        (f"{_GOOD_ROW}, effective_from: 2026-01-01T00:00:00+02:00", "effective_from", "instant in UTC"),
        (
            f"{_GOOD_ROW}, effective_from: 2026-01-02T00:00:00Z, effective_to: 2026-01-01T00:00:00Z",
            "effective_to",
            "must be after",
        ),
        (f"{_GOOD_ROW}, tiers: [1]", "tiers", "{kind, basis, steps}"),
        (f"{_GOOD_ROW}, tiers: {{kind: slope, steps: []}}", "kind", "must be one of"),
        (f"{_GOOD_ROW}, tiers: {{kind: cliff, steps: []}}", "tiers.steps", "must be a list"),
        (f"{_GOOD_ROW}, tiers: {{kind: cliff, basis: [x], steps: []}}", "tiers.basis", "is not a meter"),
        (f"{_GOOD_ROW}, tiers: {{kind: graduated, basis: session_ms, steps: []}}", "tiers.basis", "own meter"),
        (f"{_GOOD_ROW}, tiers: {{kind: cliff, steps: [{{above: 1 minute}}]}}", "tiers.steps", "{above, amount}"),
        (f'{_GOOD_ROW}, tiers: {{kind: cliff, steps: [{{above: 1 token, amount: "1"}}]}}', "above", "does not count"),
        (f"{_GOOD_ROW}, tiers: {{kind: cliff, steps: [{{above: 1 minute, amount: 1}}]}}", "amount", "quoted string"),
        (
            f'{_GOOD_ROW}, tiers: {{kind: cliff, steps: [{{above: 2 ms, amount: "1"}}, {{above: 1 ms, amount: "2"}}]}}',
            "tiers.steps",
            "must rise",
        ),
        (
            f'{_GOOD_ROW}, list_amount: "1", tiers: {{kind: cliff, steps: [{{above: 2 ms, amount: "1"}}]}}',
            "list_amount",
            "beside tiers",
        ),
        (f"{_GOOD_ROW}, colour: red", "colour", "is not a key here"),
    ],
)
def test_wrong_key_of_a_row_is_refused(row: str, key: str, message: str) -> None:
    (problem,) = _problems(_file(row))

    assert ".prices[" in problem
    assert f".{key}:" in problem
    assert message in problem


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("provider: acme", "provider: 7", "provider: must be the provider's id"),
        ("provider: acme", "provider: acme\nprovider: acme", "stands here twice"),
        ("provider: acme", "provider: acme\nsurprise: 1", "file.surprise: is not a key here"),
        ("provider: acme", "provider: acme\n1: 2", "must be text"),
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
    text = _file(_GOOD_ROW)
    assert old in text

    assert message in "\n".join(_problems(text.replace(old, new, 1)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "not YAML"),
        ("- 1", "must be a mapping"),
        ("", "must be a mapping"),
        ("a: !!python/object:os.system {}", "not YAML"),
        ("#" * (DOCUMENT_BYTES_MAX + 1), "larger than"),
    ],
)
def test_text_that_is_no_price_file_is_refused(text: str, message: str) -> None:
    assert message in _problems(text)[0]


def test_all_mistakes_are_told_at_once() -> None:
    text = _file('meter: audio_sent_ms, amount: 1}\n      - {meter: nonsense, amount: "1"')

    assert len(_problems(text)) == 2


# --- rows against each other ----------------------------------------------------------------------
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("", ""),
        ("", ", when: {mode: batch}"),
        (", when: {plan: large}", ", when: {mode: batch}"),
        (", effective_to: 2026-06-02T00:00:00Z", ", effective_from: 2026-06-01T00:00:00Z"),
    ],
)
def test_rows_that_some_request_matches_twice_are_refused(one: str, other: str) -> None:
    (problem,) = _problems(_file(f"{_GOOD_ROW}{one}}}\n      - {{{_GOOD_ROW}{other}"))

    assert "audio_sent_ms is also priced at acme.yaml:16 for the same context and time" in problem


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (", when: {mode: streaming}", ", when: {mode: batch}"),
        (", effective_to: 2026-06-01T00:00:00Z", ", effective_from: 2026-06-01T00:00:00Z"),
    ],
)
def test_rows_that_no_request_matches_twice_are_accepted(one: str, other: str) -> None:
    catalog = Catalog.from_texts({"acme.yaml": _file(f"{_GOOD_ROW}{one}}}\n      - {{{_GOOD_ROW}{other}")})

    assert len(catalog.prices) == 2


def test_fallback_to_a_meter_with_its_own_price_is_refused() -> None:
    text = _file(f'{_GOOD_ROW}, fallback: [session_ms]}}\n      - {{meter: session_ms, amount: "1"')

    assert "session_ms is also priced" in _problems(text)[0]


@pytest.mark.parametrize(
    ("aliases", "message"),
    [
        ("[m]", "'m' already means 'm', it cannot mean 'n' too"),
        ("['m-{date}']", "alias 'm-{date}' of 'n' is also an alias of 'm'"),
        ("['{voice}']", "alias '{voice}' of 'n' also matches 'm', which means 'm'"),
    ],
)
def test_name_of_two_models_is_refused(aliases: str, message: str) -> None:
    text = _file(_GOOD_ROW).replace("    like: row\n", "    aliases: ['m-{date}']\n    like: row\n")
    text += f"  - {{model: n, aliases: {aliases}, like: row, prices: [{{{_GOOD_ROW}}}]}}\n"

    with pytest.raises(CatalogError) as caught:
        Catalog.from_texts({"acme.yaml": text})

    assert message in str(caught.value)


def test_credits_without_plans_are_refused() -> None:
    head, _, rest = _file('meter: audio_sent_ms, credits: "1"').partition("credit_plans:")
    text = head + rest[rest.index("defaults:") :]

    assert "needs credit_plans in this file" in _problems(text)[0]


@pytest.mark.parametrize("plans", [{"acme": "giant"}, {"nobody": "small"}])
def test_default_plan_that_does_not_exist_is_refused(plans: dict[str, str]) -> None:
    with pytest.raises(CatalogError, match="has no such plan"):
        Catalog.from_texts({"acme.yaml": _file(_GOOD_ROW)}, plans=plans)


@pytest.mark.parametrize(("usd", "slots"), [("0.70", 0), ("0.70", -1), ("free", 1), ("-1", 1)])
def test_senseless_local_node_is_refused(usd: str, slots: int) -> None:
    with pytest.raises(CatalogError, match="local node"):
        local_document(models=["m"], node_usd_per_hour=usd, slots=slots, stated_on=date(2026, 11, 21))


# --- ids ------------------------------------------------------------------------------------------
def _price_id(row: str) -> str:
    (price,) = Catalog.from_texts({"acme.yaml": _file(row)}).prices
    return price.price_id


def test_closing_a_window_or_learning_a_source_keeps_the_price_id() -> None:
    later = f"{_GOOD_ROW}, effective_to: 2027-01-01T00:00:00Z, confidence: conflict, note: seen twice"

    assert _price_id(later) == _price_id(_GOOD_ROW)


@pytest.mark.parametrize(
    "change",
    [
        ', list_amount: "2"',
        ', multiplier: "2"',
        ', tiers: {kind: cliff, steps: [{above: 2 ms, amount: "1"}]}',
        ", per: 60 seconds",
        ", minimum: 1 second",
        ", increment: 1 second",
        ", rounding: down",
        ", rounding_scope: session",
        ", times: channels",
        ", fallback: [session_ms]",
        ", not_billed: [session_ms]",
        ", instead_of: [requests]",
        ", when: {mode: batch}",
        ", effective_from: 2026-01-01T00:00:00Z",
    ],
)
def test_anything_that_decides_the_amount_changes_the_price_id(change: str) -> None:
    assert _price_id(_GOOD_ROW + change) != _price_id(_GOOD_ROW)


def test_version_follows_the_content() -> None:
    text = _file(_GOOD_ROW)
    same, other = Catalog.from_texts({"a.yaml": text}), Catalog.from_texts({"b.yaml": text})
    closed = Catalog.from_texts({"a.yaml": _file(f"{_GOOD_ROW}, effective_to: 2027-01-01T00:00:00Z")})

    assert same.version == other.version
    assert closed.version != same.version
    assert datetime(2026, 11, 21, tzinfo=UTC) == same.prices[0].recorded_at


# --- whatever stands in a file, reading it ends in problems and never in a crash -------------------
_VALUES = st.sampled_from(["7", "1.5", "true", "null", "[]", "[[]]", "{}", "{a: {b: c}}", "text", "2026-01-01", '""'])
_SPOTS = ["acme", "page", "streaming", "[realtime]", "small", '"5"', "100_000 credits", "stt", "1 minute", "published"]
_SPOTS += ["m", "row", "audio_sent_ms", '"0.0048"', "2026-11-21", "{streaming: [realtime], batch: []}", "[session_ms]"]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(_SPOTS), _VALUES), min_size=1, max_size=4))
def test_misplaced_values_never_crash_the_reader(changes: list[tuple[str, str]]) -> None:
    text = _file(f"{_GOOD_ROW}, fallback: [session_ms], when: {{mode: streaming}}, note: n")
    for spot, value in changes:
        text = text.replace(f" {spot}", f" {value}")

    document = read_document(text, name="acme.yaml")

    assert all(problem.startswith("acme.yaml") for problem in document.problems)
