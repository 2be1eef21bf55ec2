"""VoiceGateway worker shim."""
