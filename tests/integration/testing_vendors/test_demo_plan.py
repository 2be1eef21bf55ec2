"""The demo plan makes a bad day that the real plugins survive with their own retries."""

from livekit.plugins import cartesia, deepgram, openai
from tests.integration.testing_vendors.bench import RETRY, conversation, silence, speech, started, truth_of

from voicegateway.testing.vendors import DEMO_PLAN, OpenAIOptions

CHATS, CALLS, SPEECHES = 18, 8, 10


async def test_every_request_of_a_demo_succeeds_in_the_end() -> None:
    async with started(faults=DEMO_PLAN, openai=OpenAIOptions(ttft_ms=1, token_ms=0)) as sims:
        model = openai.LLM(**sims.openai.plugin_kwargs())
        ears = deepgram.STT(**sims.deepgram.plugin_kwargs())
        voice = cartesia.TTS(**sims.cartesia.plugin_kwargs())
        for turn in range(CHATS):
            async with model.chat(chat_ctx=conversation(f"Turn {turn}"), conn_options=RETRY) as chat:
                assert [chunk async for chunk in chat]
        for _ in range(CALLS):
            stream = ears.stream(conn_options=RETRY)
            for frame in [*speech(ms=300), *silence(ms=300)]:
                stream.push_frame(frame)
            async for event in stream:
                if event.type.value == "final_transcript":
                    break
            await stream.aclose()
        for _ in range(SPEECHES):
            async with voice.stream(conn_options=RETRY) as spoken:
                spoken.push_text("Yes.")
                spoken.end_input()
                assert [audio async for audio in spoken]
        await model.aclose()
        await voice.aclose()
        bills = await truth_of(sims, count=CHATS + 2 + CALLS + 1 + SPEECHES + 1)

    faults = [(bill.vendor, bill.fault) for bill in bills if bill.fault]
    assert sorted(str(fault) for fault in faults) == [
        "('cartesia', 'vendor_error')",
        "('deepgram', 'server_error')",
        "('openai', 'rate_limited')",
        "('openai', 'server_error')",
    ]
    assert all(bill.billed == (bill.fault is None) for bill in bills)
