"""What the operator says that nodes with local models cost: `whisper=0.70/8, kokoro=0.70/8`."""

from datetime import date
from types import MappingProxyType
from typing import Final

from voicegateway_shared.pricing.document import Document
from voicegateway_shared.pricing.errors import CatalogError
from voicegateway_shared.pricing.local import ANY_MODEL, local_document

MODALITY_OF: Final = MappingProxyType({"whisper": "stt", "kokoro": "tts", "piper": "tts"})
"""The engines whose slots are timed."""
NODES_MAX: Final = 256


def read_nodes(text: str, *, stated_on: date) -> list[Document]:
    """Return the prices that a text states: `provider=dollars per hour/slots`, separated by commas.

    `provider/model` in the place of the provider is for that model alone; the other holds for the rest.

    Raises:
        ValueError: the text cannot be read; the message names the part.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if len(parts) > NODES_MAX:
        raise ValueError(f"{len(parts)} nodes are more than {NODES_MAX}")
    documents = [_document(part, stated_on) for part in parts]
    stated = [(document.provider, model) for document in documents for model, _ in document.names]
    for provider, model in stated:
        if stated.count((provider, model)) > 1:
            raise ValueError(f"{provider}/{model} is stated more than once")
    return documents


def _document(part: str, stated_on: date) -> Document:
    name, _, cost = part.partition("=")
    usd, _, slots = cost.partition("/")
    provider, _, model = name.strip().partition("/")
    if provider not in MODALITY_OF:
        raise ValueError(f"{part!r}: {provider!r} is no local engine; known are {', '.join(sorted(MODALITY_OF))}")
    if not slots.strip().isdecimal():
        raise ValueError(f"{part!r} must look like {provider}=0.70/8: dollars per hour of a node / its slots")
    try:
        return local_document(
            provider=provider,
            models=[model or ANY_MODEL],
            modalities=[MODALITY_OF[provider]],
            node_usd_per_hour=usd.strip(),
            slots=int(slots),
            stated_on=stated_on,
        )
    except CatalogError as error:
        raise ValueError(f"{part!r}: {error}") from error
