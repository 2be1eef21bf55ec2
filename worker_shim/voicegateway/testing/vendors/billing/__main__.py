"""`python -m voicegateway.testing.vendors.billing`: the simulated billing APIs in a process of their own."""

import argparse
import asyncio
import json
import logging
import os
import signal
from datetime import datetime
from pathlib import Path

from voicegateway.testing.vendors.billing.simulators import BillingSimulators
from voicegateway.testing.vendors.billing.switches import BillingFaults, BillingTraps, read_faults, read_traps

logger = logging.getLogger("voicegateway.testing.vendors.billing")


def main() -> None:
    """Run until SIGTERM or SIGINT. The port file appears, whole, once all vendors listen."""
    arguments = _parse()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    asyncio.run(_run(arguments))


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m voicegateway.testing.vendors.billing", description=__doc__)
    parser.add_argument("--truth-dir", type=Path, required=True, help="where the simulated vendors write their truth")
    parser.add_argument("--port-file", type=Path, required=True, help="JSON file of addresses to write")
    parser.add_argument("--traps", type=_traps, default=BillingTraps(), help="JSON of BillingTraps (default: none)")
    parser.add_argument("--faults", type=_faults, default=BillingFaults(), help="JSON of BillingFaults (default: none)")
    parser.add_argument(
        "--accounts", type=json.loads, default={}, help="JSON of projects and workspaces by presented key"
    )
    parser.add_argument("--now", type=_instant, default=None, help="RFC 3339 instant it shall be (default: the clock)")
    parser.add_argument("--elevenlabs-regime", choices=("cost", "credits"), default="cost", help="how it bills")
    return parser.parse_args()


def _traps(text: str) -> BillingTraps:
    try:
        return read_traps(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _faults(text: str) -> BillingFaults:
    try:
        return read_faults(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _instant(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise argparse.ArgumentTypeError("an instant needs a zone, such as 2026-11-05T00:00:00Z")
    return at


async def _run(arguments: argparse.Namespace) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, stopped.set)
    simulators = BillingSimulators(
        truth_dir=arguments.truth_dir,
        traps=arguments.traps,
        faults=arguments.faults,
        accounts=arguments.accounts,
        now=arguments.now,
        elevenlabs_regime=arguments.elevenlabs_regime,
    )
    async with simulators:
        _write_whole(arguments.port_file, json.dumps(simulators.urls()))
        logger.info("simulated billing APIs listen: %s", simulators.urls())
        await stopped.wait()
    logger.info("simulated billing APIs stopped")


def _write_whole(path: Path, text: str) -> None:
    """Write so that a reader sees all or nothing."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    partial.write_text(text)
    partial.replace(path)


if __name__ == "__main__":
    main()
