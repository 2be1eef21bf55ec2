"""A smallest price file that is right, for tests that make it wrong."""

import pytest

from voicegateway_shared.pricing import Catalog, CatalogError

HEAD = """provider: acme
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
GOOD_ROW = 'meter: audio_sent_ms, amount: "0.0048"'


def file_with(row: str) -> str:
    return f"{HEAD}models:\n  - model: m\n    like: row\n    prices:\n      - {{{row}}}\n"


def problems_of(text: str) -> tuple[str, ...]:
    with pytest.raises(CatalogError) as caught:
        Catalog.from_texts({"acme.yaml": text})
    assert caught.value.code == "catalog_error"
    assert all(problem.startswith("acme.yaml") for problem in caught.value.problems)
    return caught.value.problems
