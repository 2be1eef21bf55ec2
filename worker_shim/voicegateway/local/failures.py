"""What goes wrong in an engine, told as LiveKit's plugins tell what goes wrong at a vendor."""

from collections.abc import Iterator
from contextlib import contextmanager

from livekit.agents import APIError, APIStatusError, APITimeoutError

from voicegateway.local.slots import LineFull, LineSlow

TOO_MANY_REQUESTS = 429


@contextmanager
def told_as_a_vendors(model: str) -> Iterator[None]:
    """Raise what an engine raises as an `APIError` of LiveKit's.

    A full line is a vendor's 429, a long wait its timeout; both may be tried again. Of the rest nothing would come.
    """
    try:
        yield
    except APIError:
        raise
    except LineFull as error:
        raise APIStatusError(f"{model}: {error}", status_code=TOO_MANY_REQUESTS) from error
    except (LineSlow, TimeoutError) as error:
        raise APITimeoutError(f"{model}: {error or 'the model was not loaded in time; prewarm it'}") from error
    except Exception as error:
        raise APIError(f"{model}: {error}", retryable=False) from error
