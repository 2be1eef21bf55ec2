"""The guide names every tool, prompt and resource, and none that is not there."""

import re
from pathlib import Path

from voicegateway_controller.mcp_server import served
from voicegateway_controller.mcp_server.server import ADDING, ALTERING, LOOKING

GUIDE = Path(__file__).resolve().parents[4] / "docs" / "guides" / "mcp.md"


def test_the_guide_names_all_tools_and_no_others() -> None:
    text = GUIDE.read_text()
    rows = "\n".join(line.split("|")[1] for line in text.splitlines() if line.startswith("| `"))

    tools = {each.__name__ for kind in (LOOKING, ADDING, ALTERING) for each in kind.values()}
    assert set(re.findall(r"`(\w+)`", rows)) == tools
    assert served.TIMELINE_URI in text
    assert served.COSTS_URI in text
