"""`voicegw demo`: a real worker fleet, simulated vendors, its money live."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer

from voicegateway_controller.cli import output
from voicegateway_controller.cli.access import HOME_DEFAULT, Home
from voicegateway_controller.demo.options import DemoOptions
from voicegateway_controller.demo.verdict import Verdict


def demo(
    calls: Annotated[int, typer.Option(help="How many calls; 0 is until Ctrl-C.", min=0)] = 0,
    concurrency: Annotated[int, typer.Option(help="Calls at the same time.", min=1, max=64)] = 3,
    is_once: Annotated[bool, typer.Option("--once", help="No table: hold the calls, settle, compare, leave.")] = False,
    is_json: Annotated[bool, typer.Option("--json", help="With --once: print the comparison as JSON.")] = False,
    is_live: Annotated[
        bool, typer.Option("--live", help="Real vendors, with the API keys in the environment.")
    ] = False,
    faults: Annotated[str, typer.Option(help="Vendor faults: demo, none, or a JSON list of rules.")] = "demo",
    seed: Annotated[int, typer.Option(help="Decides faults, replies and kills.")] = 0,
    kills: Annotated[int, typer.Option(help="kill -9 this many random processes on the way.", min=0)] = 0,
    kill_every_s: Annotated[float, typer.Option(help="Mean seconds between kills.", min=0.1)] = 2.0,
    port: Annotated[int | None, typer.Option(help="The controller's port; default: a free one.")] = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """Run the whole product on this machine and look at it: real LiveKit sessions, real plugins, exact money."""
    from voicegateway_controller.demo.run import as_json, run_demo

    if is_once and not calls:
        calls = 20
    options = DemoOptions(
        home=Path(home),
        calls=calls,
        concurrency=concurrency,
        is_once=is_once,
        is_live=is_live,
        faults=faults,
        seed=seed,
        kills=kills,
        kill_every_s=kill_every_s,
        port=port,
    )
    verdict, seen = asyncio.run(run_demo(options, output.console))
    if verdict is None:
        return
    if is_json:
        output.as_json(as_json(verdict, seen))
    else:
        _print(verdict)
    # Kill -9 leaves requests whose end nobody saw: their amounts are estimates, so only completeness is judged.
    sys.exit(0 if (verdict.is_complete if kills else verdict.is_agreed) else 1)


def _print(verdict: Verdict) -> None:
    rows = [
        {
            "vendor": vendor,
            "requests": row["requests"],
            "truth": f"{row['truth_usd']:f}",
            "ledger": f"{row['ledger_usd']:f}",
        }
        for vendor, row in verdict.per_vendor.items()
    ]
    headings = {"vendor": "vendor", "requests": "requests", "truth": "vendor's bill USD", "ledger": "our ledger USD"}
    output.as_table(headings, rows, title=f"{verdict.calls} calls, {verdict.requests} requests")
    output.line(
        f"missing {len(verdict.missing)}, doubled {len(verdict.doubled)}, unrated {verdict.unrated}, "
        f"estimated {verdict.estimated}; " + ", ".join(f"{count} {name}" for name, count in verdict.outcomes.items())
    )
    if verdict.is_agreed:
        output.line("The ledger equals the vendors' bills to the last digit.", style="green")
    else:
        output.line("The ledger and the vendors' bills differ.", style="red")
