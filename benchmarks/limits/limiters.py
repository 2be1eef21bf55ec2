"""The limiters ours is measured against, each asked its own way whether one request may go. Runs in their own venv.

Nothing of ours is imported here, and they only when asked for: the project does not depend on them.
"""

import importlib
import os
import time
from collections.abc import Awaitable, Callable
from typing import Any

GCRA = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local tat = tonumber(redis.call('GET', KEYS[1]) or '0')
if tat < now then tat = now end
local step, most = tonumber(ARGV[1]), tonumber(ARGV[2])
if tat + step - now > most then return 0 end
redis.call('SET', KEYS[1], string.format('%d', tat + step), 'PX', math.ceil((tat + step - now) / 1000) + 1000)
return 1
"""
"""KEYS 1 theoretical arrival. ARGV 1 microseconds per unit  2 microseconds of burst. One key, the server's clock."""

Ask = Callable[[], bool]
AskAsync = Callable[[], Awaitable[bool]]


def gcra(url: str, key: str, *, units: int, period_s: int) -> Ask:
    """One EVALSHA per request, redis-py with hiredis."""
    client = importlib.import_module("redis").Redis.from_url(url)
    sha = client.script_load(GCRA)
    step, most = period_s * 1_000_000 // units, period_s * 1_000_000

    def ask() -> bool:
        return bool(client.evalsha(sha, 1, key, step, most))

    return ask


async def gcra_async(url: str, key: str, *, units: int, period_s: int) -> AskAsync:
    """The same script, redis-py's asyncio client."""
    client = importlib.import_module("redis.asyncio").Redis.from_url(url)
    sha = await client.script_load(GCRA)
    step, most = period_s * 1_000_000 // units, period_s * 1_000_000

    async def ask() -> bool:
        return bool(await client.evalsha(sha, 1, key, step, most))

    return ask


def limits(strategy: str, url: str, key: str, *, units: int, period_s: int) -> Ask:
    """`limits` from PyPI with its Redis storage."""
    package = importlib.import_module("limits")
    storage = importlib.import_module("limits.storage").RedisStorage(url)
    limiter = getattr(importlib.import_module("limits.strategies"), strategy)(storage)
    item = package.RateLimitItemPerSecond(units, period_s)

    def ask() -> bool:
        return bool(limiter.hit(item, key))

    return ask


def throttled(using: str, url: str, key: str, *, units: int, period_s: int) -> Ask:
    """`throttled-py` with its Redis store, refusing at once."""
    package = importlib.import_module("throttled")
    timedelta = importlib.import_module("datetime").timedelta
    limiter = package.Throttled(
        key=key,
        using=using,
        quota=package.rate_limiter.per_duration(timedelta(seconds=period_s), units, burst=units),
        store=package.store.RedisStore(server=url),
    )

    def ask() -> bool:
        return not limiter.limit().limited

    return ask


async def litellm(url: str, key: str, *, units: int, period_s: int) -> AskAsync:
    """LiteLLM's router: choose a deployment, then the check it makes before a call. Its limits are per minute."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    package: Any = importlib.import_module("litellm")
    package.suppress_debug_info = True
    params: dict[str, Any] = {"model": "openai/bench", "api_key": "none", "rpm": units * 60 // period_s}
    router = package.Router(
        model_list=[{"model_name": "bench", "litellm_params": params, "model_info": {"id": key}}],
        routing_strategy="usage-based-routing-v2",
        redis_url=url,
        num_retries=0,
        disable_cooldowns=True,
    )
    messages = [{"role": "user", "content": "hello"}]
    refused: Any = (package.RateLimitError, package.types.router.RouterRateLimitError)

    async def ask() -> bool:
        try:
            chosen = await router.async_get_available_deployment(
                model="bench", messages=messages, request_kwargs={}, specific_deployment=False
            )
            await router.async_routing_strategy_pre_call_checks(deployment=chosen, parent_otel_span=None)
        except refused:
            return False
        return True

    return ask


SYNC: dict[str, Callable[..., Ask]] = {
    "gcra": gcra,
    "limits-moving": lambda *where, **limit: limits("MovingWindowRateLimiter", *where, **limit),
    "limits-sliding": lambda *where, **limit: limits("SlidingWindowCounterRateLimiter", *where, **limit),
    "limits-fixed": lambda *where, **limit: limits("FixedWindowRateLimiter", *where, **limit),
    "throttled-gcra": lambda *where, **limit: throttled("gcra", *where, **limit),
    "throttled-bucket": lambda *where, **limit: throttled("token_bucket", *where, **limit),
}
ASYNC: dict[str, Callable[..., Awaitable[AskAsync]]] = {"gcra-async": gcra_async, "litellm": litellm}


def now_ns() -> int:
    """Return CLOCK_MONOTONIC, the same in all processes of a machine."""
    return time.monotonic_ns()
