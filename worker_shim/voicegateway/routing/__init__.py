"""Routing: several models for the same place in an agent, and which of them serves a request."""
