"""The facade: all simulated vendors together, their truth and their faults."""

import asyncio
import os
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final, Self

from voicegateway.testing.vendors.anthropic import AnthropicSimulator
from voicegateway.testing.vendors.assemblyai import AssemblyAIOptions, AssemblyAISimulator
from voicegateway.testing.vendors.cartesia import CartesiaOptions, CartesiaSimulator
from voicegateway.testing.vendors.deepgram import DeepgramOptions, DeepgramSimulator
from voicegateway.testing.vendors.elevenlabs import ElevenLabsOptions, ElevenLabsSimulator
from voicegateway.testing.vendors.faults import FaultBook, FaultPlan
from voicegateway.testing.vendors.groq import GroqSimulator
from voicegateway.testing.vendors.ollama import OllamaSimulator
from voicegateway.testing.vendors.openai import OpenAIOptions, OpenAISimulator
from voicegateway.testing.vendors.server import Surroundings, VendorSimulator
from voicegateway.testing.vendors.truth import TruthRecord, read_truth

SETTLE_S_MAX: Final = 5.0
"""A simulator sees within milliseconds that its client left; more means that the client is still there."""


class VendorSimulators:
    """All simulated vendors, each on its own loopback port, for the time of an `async with`.

    Without `truth_dir` the truth lives in a temporary directory; read it with `truth()` or `settled()` before leaving.
    The seed decides replies, the first transcript and the dice of faults by probability. Anthropic, Groq and Ollama
    answer as OpenAI's options say, unless they are given their own.
    """

    def __init__(
        self,
        *,
        truth_dir: str | os.PathLike[str] | None = None,
        faults: FaultPlan = (),
        seed: int = 0,
        deepgram: DeepgramOptions | None = None,
        openai: OpenAIOptions | None = None,
        cartesia: CartesiaOptions | None = None,
        elevenlabs: ElevenLabsOptions | None = None,
        assemblyai: AssemblyAIOptions | None = None,
        anthropic: OpenAIOptions | None = None,
        groq: OpenAIOptions | None = None,
        ollama: OpenAIOptions | None = None,
    ) -> None:
        self._temporary = None
        if truth_dir is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="vendor-truth-")
            truth_dir = self._temporary.name
        self.truth_dir = Path(truth_dir)
        self._faults = FaultBook(faults, seed=seed)
        surroundings = Surroundings(truth_dir=self.truth_dir, faults=self._faults, seed=seed)
        self.deepgram = DeepgramSimulator(surroundings, deepgram or DeepgramOptions())
        openai = openai or OpenAIOptions()
        self.openai = OpenAISimulator(surroundings, openai)
        self.anthropic = AnthropicSimulator(surroundings, anthropic or openai)
        self.groq = GroqSimulator(surroundings, groq or openai)
        self.ollama = OllamaSimulator(surroundings, ollama or openai)
        self.cartesia = CartesiaSimulator(surroundings, cartesia or CartesiaOptions())
        self.elevenlabs = ElevenLabsSimulator(surroundings, elevenlabs or ElevenLabsOptions())
        self.assemblyai = AssemblyAISimulator(surroundings, assemblyai or AssemblyAIOptions())
        self._open = AsyncExitStack()

    @property
    def vendors(self) -> tuple[VendorSimulator, ...]:
        """All simulators."""
        return (
            self.deepgram,
            self.openai,
            self.anthropic,
            self.groq,
            self.ollama,
            self.cartesia,
            self.elevenlabs,
            self.assemblyai,
        )

    def set_faults(self, plan: FaultPlan) -> None:
        """Put a new fault plan in force; requests are counted from one again."""
        self._faults.set(plan)

    def truth(self) -> list[TruthRecord]:
        """Return what was billed and refused so far. A request shows when it has ended."""
        return read_truth(self.truth_dir)

    async def settled(self, *, within_s: float = SETTLE_S_MAX) -> list[TruthRecord]:
        """Wait until every accepted request has ended, then return the truth. Raises TimeoutError."""
        async with asyncio.timeout(within_s):
            for simulator in self.vendors:
                await simulator.truth.is_settled.wait()
        return self.truth()

    def urls(self) -> dict[str, str]:
        """Return each vendor's base URL, and under `control` where fault plans are posted."""
        return {
            **{simulator.vendor: simulator.base_url for simulator in self.vendors},
            "control": self.openai.control_url,
        }

    async def __aenter__(self) -> Self:
        for simulator in self.vendors:
            self._open.push_async_callback(simulator.aclose)
            await simulator.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._open.aclose()
        if self._temporary is not None:
            self._temporary.cleanup()
