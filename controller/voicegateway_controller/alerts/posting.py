"""POST a document and hear no more of the answer than is needed. The only file here that knows aiohttp."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

import aiohttp

from voicegateway_controller.alerts.alert import one_line
from voicegateway_controller.alerts.outcome import NotDelivered, is_final_status, retry_after_s

TIMEOUT_S: Final = 10.0
"""From the name's look-up to the last byte we read; receivers are asked to answer first and work later."""
ANSWER_BYTES_MAX: Final = 4_096
EXCERPT_CHARS: Final = 200


async def post(url: str, body: bytes, headers: Mapping[str, str], *, service: str) -> None:
    """Deliver a body, which arrived when the answer is 2xx. Follows no redirect; sends no cookie and no proxy's secret.

    Raises NotDelivered; its message never repeats the URL, which may be a secret.
    """
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as session,
            session.post(url, data=body, headers=headers, allow_redirects=False) as response,
        ):
            if 200 <= response.status < 300:
                return
            raise await _refusal(response, url, service)
    except TimeoutError as error:
        raise NotDelivered(f"{service} did not answer within {TIMEOUT_S:.0f} s", is_final=False) from error
    except (aiohttp.InvalidURL, ValueError) as error:
        raise NotDelivered(f"the address of {service} is no URL that can be used", is_final=True) from error
    except (aiohttp.ClientError, OSError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise NotDelivered(f"{service} cannot be reached: {reason}", is_final=False) from error


async def _refusal(response: aiohttp.ClientResponse, url: str, service: str) -> NotDelivered:
    excerpt = (await response.content.read(ANSWER_BYTES_MAX)).decode(errors="replace")
    hint = ": redirects are not followed, set the final address" if 300 <= response.status < 400 else ""
    said = one_line(excerpt, chars_max=EXCERPT_CHARS)
    # Some gateways' error pages repeat the address.
    if said and not any(part in said for part in (url, response.url.raw_path)):
        hint = f"{hint}: {said}"
    return NotDelivered(
        f"{service} answered {response.status}{hint}",
        is_final=is_final_status(response.status),
        retry_after_s=retry_after_s(response.headers.get("Retry-After"), now=datetime.now(UTC)),
    )
