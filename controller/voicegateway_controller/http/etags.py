"""ETags of single resources and the `If-Match` of those who change them.

    response.headers["ETag"] = etag_of(chain)                    # GET: of what is answered, or of its revision
    require_match(if_match, current, what="chain 'fast'")        # PUT, DELETE: before anything is written

Whole declared sets go by their revision: `declared.http.expected_revision`.
"""

import hashlib
from typing import Annotated, Any, Final

import msgspec
from fastapi import Header
from pydantic import BaseModel

from voicegateway_controller.errors import BadRequest, Conflict

_CHARS_MAX: Final = 1024
"""Of an If-Match header: a dozen tags and more."""

IfMatch = Annotated[
    str | None,
    Header(
        description="The `ETag` that the change was decided on; 409 `conflict` when another one holds by now. "
        "`*`: only if it is there.",
        max_length=_CHARS_MAX,
    ),
]


def etag_of(value: Any) -> str:
    """Return a strong ETag of what is answered: the same for the same content, whoever asks and wherever."""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    digest = hashlib.blake2b(msgspec.json.encode(value, order="deterministic"), digest_size=12)
    return f'"{digest.hexdigest()}"'


def require_match(if_match: str | None, current: str | None, *, what: str) -> None:
    """Let a change pass when no tag was sent or `current` is one of those sent; Conflict names `what` otherwise.

    `current` is None where nothing is there yet. Raises BadRequest for a header that holds no tags.
    """
    if if_match is None:
        return
    asked = _tags(if_match)
    if current is None:
        raise Conflict(f"{what} is not there, and the change was decided on one that was: get it again")
    if "*" in asked or current in asked:
        return
    raise Conflict(f"{what} was changed by somebody else since: get it again (its ETag is {current} by now)")


def _tags(if_match: str) -> set[str]:
    tags: set[str] = set()
    for part in if_match.split(","):
        tag = part.strip().removeprefix("W/")
        is_quoted = len(tag) >= 2 and tag.startswith('"') and tag.endswith('"') and '"' not in tag[1:-1]
        if tag != "*" and not is_quoted:
            raise BadRequest(
                f'If-Match {if_match[:100]!r} holds no tags: send the ETag as it was answered, such as "1f2e"'
            )
        tags.add(tag)
    return tags
