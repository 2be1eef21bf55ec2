"""A LiveKit worker fleet without a LiveKit server: real job processes, real sessions, scripted callers."""
