"""A small made-up vendor: a price file around the rows a test is about, and one request rated by it."""

from collections.abc import Mapping
from datetime import UTC, datetime

from voicegateway_shared.pricing import Catalog, RatedLine, Rating, RatingRequest, rate

AT = datetime(2026, 11, 21, 12, tzinfo=UTC)
HEAD = """
provider: acme
recorded_at: 2026-11-21T00:00:00Z
sources: {page: {url: "https://acme.example/pricing", read_on: 2026-11-21}}
context:
  tier: {default: normal, values: {normal: [standard], fast: []}}
  mode: {default: streaming, values: {streaming: [], batch: []}}
  plan: {default: small, values: {small: [], large: []}}
credit_plans:
  - {plan: small, amount: "5", per: 100_000 credits, source: page}
  - {plan: large, amount: "299", per: 8_000_000 credits, source: page}
defaults:
  row: {modality: [stt, tts, llm], source: page, confidence: published}
models:
"""


def catalog_of(models: str, **plans: str) -> Catalog:
    return Catalog.from_texts({"acme.yaml": HEAD + models}, plans=plans or None)


def rated(
    catalog: Catalog,
    usage: Mapping[str, int],
    *,
    model: str = "m",
    modality: str = "stt",
    at: datetime = AT,
    is_failed: bool = False,
    **context: str,
) -> Rating:
    request = RatingRequest(
        provider="acme", model=model, modality=modality, at=at, usage=usage, context=context, is_failed=is_failed
    )
    return rate(request, catalog)


def only_line(rating: Rating) -> RatedLine:
    (line,) = rating.lines
    return line


def catalog_of_row(fields: str) -> Catalog:
    return catalog_of(f"  - {{model: m, like: row, prices: [{{{fields}}}]}}\n")


PER_MINUTE = 'meter: audio_sent_ms, amount: "0.0048", per: 1 minute'
