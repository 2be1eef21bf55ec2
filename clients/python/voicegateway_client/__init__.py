"""A typed client of VoiceGateway's admin API.

from voicegateway_client import VoiceGateway

with VoiceGateway("https://voicegateway.example", token="vgw_…") as gateway:
    for row in gateway.reports.costs(by="project")["rows"]:
        print(row["key"], row["amount_usd"])
"""

from voicegateway_client.api import VoiceGateway
from voicegateway_client.async_api import AsyncVoiceGateway
from voicegateway_client.transport import ApiError, Unreachable

__all__ = ["ApiError", "AsyncVoiceGateway", "Unreachable", "VoiceGateway"]
