"""What a call costs beyond its models: legs of agents, callers, carriers and recordings, from LiveKit's webhooks."""
