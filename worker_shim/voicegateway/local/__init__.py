"""Local models as LiveKit plugins of ours: Whisper, Kokoro, Piper. Importing this imports no engine."""

from voicegateway.local.prewarming import prewarm_model

__all__ = ["prewarm_model"]
