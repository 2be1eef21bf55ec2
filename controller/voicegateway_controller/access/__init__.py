"""Who may do what: bearer tokens, roles, projects."""

from voicegateway_controller.access.rules import Access, Role, new_token, parse_token
from voicegateway_controller.access.service import Tokens, create_token, list_tokens, revoke_token

__all__ = ["Access", "Role", "Tokens", "create_token", "list_tokens", "new_token", "parse_token", "revoke_token"]
