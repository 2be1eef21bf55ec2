"""`voicegw allowances` against a real controller: declare, see, book."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine
from tests.fixtures.voicegw import Voicegw

from voicegateway_controller.access import Role, create_token

MONTH = f"{datetime.now(UTC):%Y-%m}"
ALLOWANCES = f"""
allowances:
  - {{name: ship, provider: livekit, meters: [participant_ms], quantity: "5_000 minutes", fee: "50", from: {MONTH}}}
  - {{name: pack, provider: openai, prepaid: "100", price: "80", bought_on: "{MONTH}-01"}}
"""


async def test_what_is_declared_is_shown_booked_and_printed(
    url: str, engine: AsyncEngine, db: Any, tmp_path: Path
) -> None:
    voicegw = Voicegw("allowances", url, await create_token(engine, role=Role.OPERATOR, name="test"), tmp_path)
    file = tmp_path / "allowances.yaml"
    file.write_text(ALLOWANCES)
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    await db.execute(
        "INSERT INTO rollup_hour VALUES ($1, 'p', 'a', 'livekit', 'agent-session', '', 'participant_ms', 1, 70000,"
        " 120000, 0.02, 0, 0)",
        hour,
    )

    dry = await voicegw("apply", str(file), "--dry-run")
    applied = await voicegw("apply", str(file))
    posted = await voicegw("post", "--month", MONTH)
    shown = await voicegw("show")
    declared = await voicegw("declared")

    assert [done.code for done in (dry, applied, posted, shown, declared)] == [0] * 5, shown.err
    assert "2 allowances. Nothing was declared." in " ".join(dry.out.split())
    assert applied.out == "revision 1 is in force: 2 allowances.\n"
    assert [" ".join(line.split()) for line in posted.out.splitlines()[2:]] == [
        f"pack {MONTH} prepaid purchase 80",
        f"ship {MONTH} allowance credit -0.02",
        f"ship {MONTH} subscription purchase 50",
    ]
    [ship] = [" ".join(line.split()) for line in shown.out.splitlines() if line.startswith("ship")]
    assert ship.startswith("ship quantity 5,000.0 min 2.0 min 4,998.0 min")
    assert ship.endswith("0.02 49.98")
    assert "prepaid: '100'" in declared.out
