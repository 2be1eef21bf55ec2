"""The VoiceGateway controller: API, runner, CLI. Imported by nobody."""
