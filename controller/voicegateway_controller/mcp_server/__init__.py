"""Assistants' way in: the MCP server, over HTTP beside the API and over stdio as `voicegw mcp`."""
