"""`python -m voicegateway`: look at this host's outbox, or drain it without a worker."""

import argparse
import json
import logging
import sys
import time
from dataclasses import asdict
from typing import Final

from voicegateway.options import Options
from voicegateway.outbox import Outbox, inspect
from voicegateway_shared.errors import ConfigurationError
from voicegateway_shared.ids import new_incarnation

POLL_S: Final = 0.2
WAIT_S_DEFAULT: Final = 60.0


def main() -> None:
    """Exit code 0: done; 1: rows are left; 2: a setting is wrong."""
    parser = argparse.ArgumentParser(prog="python -m voicegateway", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    drain = commands.add_parser("drain", help="send what waits, until nothing is left; settle dead processes' requests")
    drain.add_argument("--wait-s", type=float, default=WAIT_S_DEFAULT, help="give up after this long")
    commands.add_parser("stats", help="print what waits, as JSON")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    try:
        options = Options.load()
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
    if arguments.command == "stats":
        sys.stdout.write(json.dumps(asdict(inspect(options.outbox_dir)), default=str) + "\n")
        return
    sys.exit(_drain(options, wait_s=arguments.wait_s))


def _drain(options: Options, *, wait_s: float) -> int:
    if options.url is None:
        sys.stderr.write("set VOICEGATEWAY_URL and VOICEGATEWAY_TOKEN: there is no controller to drain to\n")
        return 2
    outbox = Outbox(options.outbox_dir, incarnation=new_incarnation(), url=options.url, token=options.token)
    outbox.start()
    deadline_s = time.monotonic() + wait_s
    try:
        while time.monotonic() < deadline_s:
            if outbox.stats().rows == 0:
                return 0
            time.sleep(POLL_S)
    finally:
        outbox.close(timeout_s=2.0)
    sys.stderr.write(f"{inspect(options.outbox_dir).rows} requests still wait in {options.outbox_dir}\n")
    return 1


if __name__ == "__main__":
    main()
