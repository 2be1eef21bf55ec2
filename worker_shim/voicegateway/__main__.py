"""`python -m voicegateway`: look at this host's outbox, drain it without a worker, see whose models it can use."""

import argparse
import json
import logging
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Final

from voicegateway.options import Options
from voicegateway.outbox import Outbox, inspect
from voicegateway.registry import ProviderStatus, providers
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
    listed = commands.add_parser("providers", help="print whose plugins are installed here, and whose keys are set")
    listed.add_argument("--all", action="store_true", help="also those that are not installed")
    listed.add_argument("--json", action="store_true", help="all of them, as JSON")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    if arguments.command == "providers":
        _list(providers(), is_json=arguments.json, is_all=arguments.all)
        return
    try:
        options = Options.load()
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
    if arguments.command == "stats":
        sys.stdout.write(json.dumps(asdict(inspect(options.outbox_dir)), default=str) + "\n")
        return
    sys.exit(_drain(options, wait_s=arguments.wait_s))


def _list(listed: Sequence[ProviderStatus], *, is_json: bool, is_all: bool) -> None:
    if is_json:
        sys.stdout.write(json.dumps([asdict(each) for each in listed]) + "\n")
        return
    for each in listed:
        if each.installed or is_all:
            does = ", ".join(each.modalities) or "see its plugin"
            sys.stdout.write(f"{each.name:<14}{does:<26}{'; '.join(_lacking(each))}".rstrip() + "\n")


def _lacking(status: ProviderStatus) -> Iterator[str]:
    """What is still to be done before all of it can be used."""
    missing = [modality for modality in status.modalities if modality not in status.installed]
    if missing:
        yield f"{', '.join(missing)}: pip install '{status.install}'"
    if status.has_key is False:
        yield f"set {' or '.join(status.key_variables)}"


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
