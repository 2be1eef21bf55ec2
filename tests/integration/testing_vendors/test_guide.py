"""The example of the guide works as it stands there."""

import re
from pathlib import Path
from typing import Any

from tests.integration.testing_vendors.bench import started

from voicegateway.testing.vendors import OpenAIOptions

GUIDE = Path(__file__).parents[3] / "docs/guides/testing-your-agent.md"


async def test_example_of_the_guide_passes() -> None:
    [example] = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), flags=re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(example, str(GUIDE), "exec"), names)
    async with started(openai=OpenAIOptions(replies=("Your order arrives on Thursday.",))) as sims:
        await names["test_agent_answers_through_a_rate_limit"](sims)
