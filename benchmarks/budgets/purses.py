"""The budgets ours is measured against, each asked its own way whether one request may be paid. Runs in their own venv.

Nothing of ours is imported here, and they only when asked for: the project does not depend on them.
"""

import importlib
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

NANO_PER_USD = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Purse:
    """One process's way to a budget: `ask` before a request, `pay` what an admitted one came to."""

    ask: Callable[[], Awaitable[bool]]
    pay: Callable[[int], Awaitable[None]]


async def naive(url: str, key: str, *, amount_nano: int) -> Purse:
    """Check, then act: read what is spent, let the request go, add what it cost. One Redis command each."""
    client = importlib.import_module("redis.asyncio").Redis.from_url(url)

    async def ask() -> bool:
        return int(await client.get(key) or 0) < amount_nano

    async def pay(cost_nano: int) -> None:
        await client.incrby(key, cost_nano)

    return Purse(ask, pay)


async def litellm(url: str, key: str, *, amount_nano: int) -> Purse:
    """LiteLLM's router with a deployment's `max_budget`, shared through Redis as its documentation says.

    Asked is what its router does before a call; paid is what its callback does after one, with the cost it would have
    computed. No call is made, so all of its cost is its budget's and its choice of a deployment.
    """
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    package: Any = importlib.import_module("litellm")
    package.suppress_debug_info = True
    params: dict[str, Any] = {"model": "openai/bench", "api_key": "none"}
    params |= {"max_budget": amount_nano / NANO_PER_USD, "budget_duration": "1d"}
    router = package.Router(
        model_list=[{"model_name": "bench", "litellm_params": params, "model_info": {"id": key}}],
        redis_url=url,
        num_retries=0,
        disable_cooldowns=True,
    )
    messages = [{"role": "user", "content": "hello"}]

    async def ask() -> bool:
        try:
            await router.async_get_available_deployment(
                model="bench", messages=messages, request_kwargs={}, specific_deployment=False
            )
        except ValueError as error:
            if "crossed budget" not in str(error):
                raise
            return False
        return True

    async def pay(cost_nano: int) -> None:
        told = {"response_cost": cost_nano / NANO_PER_USD, "model_id": key, "custom_llm_provider": "openai"}
        await router.router_budget_logger.async_log_success_event(
            {"standard_logging_object": told}, response_obj=None, start_time=None, end_time=None
        )

    return Purse(ask, pay)


PURSES: dict[str, Callable[..., Awaitable[Purse]]] = {"naive": naive, "litellm": litellm}
