"""The real OpenAI chat plugin against the simulator: replies, usage, faults, and the bill to the token."""

import httpx
import pytest
from livekit.agents import APIConnectionError, APIConnectOptions, APIError, APIStatusError, APITimeoutError
from livekit.agents.llm import ChatContext, CompletionUsage
from livekit.plugins import openai
from tests.fixtures.waiting import eventually
from tests.integration.testing_vendors.bench import (
    IMPATIENT,
    NO_RETRY,
    RETRY,
    conversation,
    started,
    truth_of,
)

from voicegateway.testing.vendors import FaultKind, FaultRule, OpenAIOptions, VendorSimulators, read_truth
from voicegateway.testing.vendors.tokens import count_tokens

PROMPT_TOKENS = 24
"""Of the conversation `Where is my order?`."""


async def ask(
    sims: VendorSimulators, context: ChatContext, *, options: APIConnectOptions = RETRY
) -> tuple[str, CompletionUsage | None]:
    """Return the reply and the usage that the plugin reports."""
    model = openai.LLM(model="gpt-4.1-mini", **sims.openai.plugin_kwargs())
    usage, said = None, ""
    try:
        async with model.chat(chat_ctx=context, conn_options=options) as stream:
            async for chunk in stream:
                said += (chunk.delta and chunk.delta.content) or ""
                usage = chunk.usage or usage
    finally:
        await model.aclose()
    return said, usage


async def test_reply_and_usage_arrive_and_are_billed_alike() -> None:
    async with started() as sims:
        said, usage = await ask(sims, conversation("Where is my order?"))
        [bill] = await truth_of(sims)

    assert said in OpenAIOptions().replies
    assert usage is not None
    assert bill.usage == {
        "input_tokens": usage.prompt_tokens,
        "cache_read_tokens": 0,
        "output_tokens": usage.completion_tokens,
    }
    # Two messages of eight and five tokens, four each beside, three for the opening of the reply.
    assert usage.prompt_tokens == PROMPT_TOKENS == (8 + 4) + (5 + 4) + 3
    assert usage.completion_tokens == count_tokens(said)
    assert (bill.outcome, bill.model, bill.modality) == ("ok", "gpt-4.1-mini", "llm")
    assert bill.request_id.startswith("chatcmpl-")


async def test_same_conversation_gets_the_same_reply() -> None:
    async with started() as sims:
        once, _ = await ask(sims, conversation("Where is my order?"))
        again, _ = await ask(sims, conversation("Where is my order?"))
        others = {(await ask(sims, conversation("Hello", f"Item {n}")))[0] for n in range(6)}

    assert once == again
    assert len(others) > 1


async def test_long_prompt_is_read_from_the_cache_from_the_second_turn_on() -> None:
    system = "word " * 1500
    async with started() as sims:
        _, first = await ask(sims, conversation("One", system=system))
        _, second = await ask(sims, conversation("One", "Two", system=system))
        _, short = await ask(sims, conversation("One", "Two"))
        bills = await truth_of(sims, count=3)

    assert first is not None
    assert second is not None
    assert short is not None
    # 1500 + 4 of the system message and 1 + 4 of the first turn, in steps of 128.
    assert [u.prompt_cached_tokens for u in (first, second, short)] == [0, 1509 // 128 * 128, 0]
    assert [bill.usage["cache_read_tokens"] for bill in bills] == [0, 1408, 0]


async def test_interrupted_reply_bills_the_prompt_and_the_tokens_written() -> None:
    async with started(openai=OpenAIOptions(token_ms=30)) as sims:
        model = openai.LLM(**sims.openai.plugin_kwargs())
        stream = model.chat(chat_ctx=conversation("Where is my order?"), conn_options=NO_RETRY)
        received = 0
        async for chunk in stream:
            received += bool(chunk.delta and chunk.delta.content)
            if received == 3:
                break
        await stream.aclose()
        [bill] = await truth_of(sims)
        await model.aclose()

    assert (bill.billed, bill.outcome) == (True, "client_closed")
    assert bill.usage["input_tokens"] == PROMPT_TOKENS
    # The vendor may have written one or two more before it saw that the client was gone.
    assert 3 <= bill.usage["output_tokens"] <= 6


async def test_client_that_leaves_before_the_first_token_pays_for_the_prompt() -> None:
    async with started(openai=OpenAIOptions(ttft_ms=20_000)) as sims:
        model = openai.LLM(**sims.openai.plugin_kwargs())
        stream = model.chat(chat_ctx=conversation("Where is my order?"), conn_options=NO_RETRY)
        await eventually(lambda: bool(read_truth(sims.truth_dir, event="started")))
        await stream.aclose()
        [bill] = await truth_of(sims)
        await model.aclose()

    assert bill.usage == {"input_tokens": PROMPT_TOKENS, "cache_read_tokens": 0, "output_tokens": 0}
    assert (bill.billed, bill.outcome) == (True, "client_closed")


async def test_prewarm_and_rate_limit_headers_are_served() -> None:
    async with started() as sims, httpx.AsyncClient() as http:
        models = await http.get(f"{sims.openai.base_url}/models")
        answer = await http.post(
            f"{sims.openai.base_url}/chat/completions",
            headers={"Authorization": "Bearer k"},
            json={"model": "gpt-4.1", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2},
        )
        [bill] = sims.truth()

    assert {"gpt-4.1", "gpt-4.1-mini"} <= {model["id"] for model in models.json()["data"]}
    assert answer.headers["x-request-id"] == bill.facts["http_request_id"]
    assert answer.headers["x-ratelimit-limit-requests"] == "10000"
    assert answer.json()["choices"][0]["finish_reason"] == "length"
    assert answer.json()["usage"]["completion_tokens"] == bill.usage["output_tokens"] == 2


@pytest.mark.parametrize(
    ("kind", "status", "is_retryable"),
    [("rate_limited", 429, True), ("server_error", 503, True), ("unauthorized", 401, False)],
)
async def test_refused_chat_is_free_and_raises_its_status(kind: FaultKind, status: int, is_retryable: bool) -> None:
    rule = FaultRule(vendor="openai", kind=kind, nth=1)
    async with started(faults=(rule,)) as sims:
        with pytest.raises(APIStatusError) as raised:
            await ask(sims, conversation("Hi"), options=NO_RETRY)
        [bill] = sims.truth()

    assert (raised.value.status_code, raised.value.retryable) == (status, is_retryable)
    assert (bill.billed, bill.usage, bill.outcome) == (False, {}, f"fault:{kind}")


async def test_rate_limit_says_when_to_come_back() -> None:
    rule = FaultRule(vendor="openai", endpoint="chat", kind="rate_limited", nth=1, retry_after_s=3)
    async with started(faults=(rule,)) as sims, httpx.AsyncClient() as http:
        answer = await http.post(f"{sims.openai.base_url}/chat/completions", json={})

    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "3")
    assert answer.headers["x-ratelimit-remaining-requests"] == "0"
    assert answer.json()["error"]["code"] == "rate_limit_exceeded"


async def test_plugin_survives_refusals_and_an_early_stream_error_by_retrying() -> None:
    rules = (
        FaultRule(vendor="openai", endpoint="chat", kind="rate_limited", nth=1),
        FaultRule(vendor="openai", endpoint="chat", kind="server_error", nth=2, status=500),
        FaultRule(vendor="openai", endpoint="chat", kind="vendor_error", nth=3),
    )
    async with started(faults=rules) as sims:
        said, _ = await ask(sims, conversation("Hi"))
        bills = await truth_of(sims, count=4)

    assert said in OpenAIOptions().replies
    assert [(bill.billed, bill.outcome) for bill in bills] == [
        (False, "fault:rate_limited"),
        (False, "fault:server_error"),
        (False, "fault:vendor_error"),
        (True, "ok"),
    ]


async def test_stream_error_after_content_is_billed_and_not_retryable() -> None:
    rule = FaultRule(vendor="openai", endpoint="chat", kind="vendor_error", nth=1, after_chunks=2)
    async with started(faults=(rule,)) as sims:
        with pytest.raises(APIError) as raised:
            await ask(sims, conversation("Hi"))
        [bill] = await truth_of(sims)

    assert not raised.value.retryable
    assert (bill.billed, bill.usage["output_tokens"]) == (True, 2)


async def test_aborted_stream_raises_and_bills_what_was_written() -> None:
    rule = FaultRule(vendor="openai", endpoint="chat", kind="abort_mid_stream", nth=1, after_chunks=4)
    async with started(faults=(rule,)) as sims:
        with pytest.raises(APIConnectionError):
            await ask(sims, conversation("Hi"), options=NO_RETRY)
        [bill] = await truth_of(sims)

    assert (bill.billed, bill.outcome, bill.usage["output_tokens"]) == (True, "fault:abort_mid_stream", 4)


async def test_stream_that_ends_early_in_good_order_reports_no_usage() -> None:
    rule = FaultRule(vendor="openai", endpoint="chat", kind="close_mid_stream", nth=1, after_chunks=4)
    async with started(faults=(rule,)) as sims:
        said, usage = await ask(sims, conversation("Hi"), options=NO_RETRY)
        [bill] = await truth_of(sims)

    assert usage is None
    assert count_tokens(said) == bill.usage["output_tokens"] == 4
    assert (bill.billed, bill.outcome) == (True, "fault:close_mid_stream")


async def test_stalled_chat_times_out_and_bills_the_prompt() -> None:
    rule = FaultRule(vendor="openai", endpoint="chat", kind="stall", nth=1, stall_s=20)
    async with started(faults=(rule,)) as sims:
        with pytest.raises(APITimeoutError):
            await ask(sims, conversation("Hi"), options=IMPATIENT)
        [bill] = await truth_of(sims)

    assert (bill.billed, bill.outcome, bill.usage["output_tokens"]) == (True, "fault:stall", 0)
