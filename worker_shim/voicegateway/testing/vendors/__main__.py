"""`python -m voicegateway.testing.vendors`: the simulated vendors in a process of their own."""

import argparse
import asyncio
import json
import logging
import os
import signal
from pathlib import Path

from voicegateway.testing.vendors.faults import FaultPlan, parse_faults
from voicegateway.testing.vendors.simulators import VendorSimulators

logger = logging.getLogger("voicegateway.testing.vendors")


def main() -> None:
    """Run until SIGTERM or SIGINT. The port file appears, whole, once all vendors listen."""
    arguments = _parse()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    asyncio.run(_run(arguments))


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m voicegateway.testing.vendors", description=__doc__)
    parser.add_argument("--truth-dir", type=Path, required=True, help="where the truth log is written")
    parser.add_argument("--port-file", type=Path, required=True, help="JSON file of base URLs to write")
    parser.add_argument("--seed", type=int, default=0, help="decides replies, transcripts and dice")
    parser.add_argument(
        "--faults", type=_plan, default=(), help="none, demo, or a JSON list of fault rules (default: none)"
    )
    return parser.parse_args()


def _plan(text: str) -> FaultPlan:
    try:
        return parse_faults(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


async def _run(arguments: argparse.Namespace) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, stopped.set)
    async with VendorSimulators(truth_dir=arguments.truth_dir, faults=arguments.faults, seed=arguments.seed) as sims:
        _write_whole(arguments.port_file, json.dumps(sims.urls()))
        logger.info("simulated vendors listen: %s", sims.urls())
        await stopped.wait()
    logger.info("simulated vendors stopped")


def _write_whole(path: Path, text: str) -> None:
    """Write so that a reader sees all or nothing."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    partial.write_text(text)
    partial.replace(path)


if __name__ == "__main__":
    main()
