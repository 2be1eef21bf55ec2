"""What routes of declared sets share: a body read with a bound, the revision that a caller decided on."""

from typing import Annotated, Any, Final, TypeVar

import msgspec
from fastapi import Header, Request
from pydantic import BaseModel, ValidationError

from voicegateway_controller.errors import BadRequest
from voicegateway_controller.http.body import read_body

BODY_BYTES_MAX: Final = 1024 * 1024
"""500 declarations of 2 KiB."""

IfMatch = Annotated[
    str | None, Header(description="The revision this set was made from; 409 when another one holds by now.")
]
"""Of a PUT that replaces a whole set."""

Body = TypeVar("Body", bound=BaseModel)


def takes(model: type[BaseModel]) -> dict[str, Any]:
    """Describe a body that is read with a bound, which FastAPI's own reading does not have."""
    content = {"application/json": {"schema": model.model_json_schema()}}
    return {"requestBody": {"required": True, "content": content}}


async def read_model(request: Request, model: type[Body], *, kind: str, limit: int = BODY_BYTES_MAX) -> Body:
    """Return the body of a request; BadRequest names the place that is wrong."""
    body = await read_body(request, limit=limit, setting=f"a {kind} body's limit")
    try:
        return model.model_validate(msgspec.json.decode(body))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRequest(f"not JSON: {error}") from error
    except RecursionError as error:
        raise BadRequest("not JSON that can be meant: nested thousands of levels deep") from error
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise BadRequest(f"{'.'.join(str(part) for part in first['loc']) or 'body'}: {first['msg']}") from error


def expected_revision(if_match: str | None, *, kind: str) -> int | None:
    """Return the revision that an If-Match header names, None when any will do; BadRequest when it names none."""
    if if_match is None or if_match.strip() == "*":
        return None
    text = if_match.strip().removeprefix("W/").strip('"')
    if not text.isdecimal() or len(text) > 18:
        raise BadRequest(
            f"If-Match {if_match!r} is no revision of {kind}: send the number that GET /api/v1/{kind} told"
        )
    return int(text)
