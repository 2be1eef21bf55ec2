"""Usage events on disk: lines that are written before the cursor that passes them, and customers by project."""

import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

from voicegateway_controller.cli.declarations import read_file
from voicegateway_shared.errors import ConfigurationError

CUSTOMER: Final = re.compile(r"[A-Za-z0-9_.-]{1,100}", re.ASCII)
CURSOR_BYTES_MAX: Final = 64


class EventsFile:
    """Where events go, and how far they are. Lives as long as its command.

    After a crash between the two, the lines of one page stand there twice, under the same ids: whoever takes them
    knows them again.
    """

    def __init__(self, out: Path | None, cursor_file: Path | None, cursor: str | None) -> None:
        """Raises ConfigurationError when a file cannot be read."""
        self._out = out
        self._cursor_file = cursor_file
        self.cursor = cursor if cursor_file is None else _kept(cursor_file)

    def add(self, events: Sequence[Mapping[str, Any]], *, cursor: str) -> None:
        """Write events, on the disk, and then the cursor behind them. Raises ConfigurationError when that fails."""
        text = "".join(json.dumps(event, separators=(",", ":"), ensure_ascii=False) + "\n" for event in events)
        try:
            self._write(text)
            if self._cursor_file is not None:
                part = self._cursor_file.with_name(f".{self._cursor_file.name}.part")
                with part.open("w", encoding="utf-8") as file:
                    file.write(f"{cursor}\n")
                    file.flush()
                    os.fsync(file.fileno())
                part.replace(self._cursor_file)
        except OSError as error:
            raise ConfigurationError(f"events cannot be written: {error.strerror} ({error.filename})") from error
        self.cursor = cursor

    def _write(self, text: str) -> None:
        if self._out is None:
            sys.stdout.write(text)
            sys.stdout.flush()
            return
        with self._out.open("a", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())


class Customers:
    """Stripe's customers by project; immutable."""

    def __init__(self, ids: Mapping[str, str | None]) -> None:
        self._ids = dict(ids)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return what a file says. Raises ConfigurationError when it names no customers, or names them oddly."""
        found = read_file(path).get("customers")
        if not isinstance(found, dict) or not found:
            raise ConfigurationError(f"{path}: must have a mapping `customers:` of projects to Stripe's customer ids")
        for project, customer in found.items():
            if customer is None:
                continue
            if not isinstance(project, str) or not isinstance(customer, str) or not CUSTOMER.fullmatch(customer):
                raise ConfigurationError(
                    f"{path}: customers.{project}: {customer!r} is no customer's id, such as cus_…"
                )
        return cls(found)

    def all_named(self, events: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Return events with their customers' ids in the place of the projects' names; without those of no customer.

        Raises:
            ConfigurationError: a project is not named at all: nothing of its page was written.
        """
        found = []
        for event in events:
            project = event["payload"]["stripe_customer_id"]
            if project not in self._ids:
                raise ConfigurationError(
                    f"project {project!r} has usage but no customer: name it under `customers:`, with `null` to leave "
                    "it out"
                )
            customer = self._ids[project]
            if customer is not None:
                found.append({**event, "payload": {**event["payload"], "stripe_customer_id": customer}})
        return found


def _kept(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")[:CURSOR_BYTES_MAX].strip() or None
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from error
