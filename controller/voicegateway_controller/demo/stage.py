"""The demo's stage: the local stack, the simulated vendors and the worker fleet, all supervised children."""

import asyncio
import fcntl
import json
import os
import shutil
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from voicegateway_controller.demo.options import DemoOptions
from voicegateway_controller.local.child import Child
from voicegateway_controller.local.stack import LocalStack
from voicegateway_shared.errors import ConfigurationError, VoiceGatewayError

VENDORS_MODULE: Final = "voicegateway.testing.vendors"
BILLING_MODULE: Final = "voicegateway.testing.vendors.billing"
BILLING_KEYS: Final = {
    "openai": "sk-admin-simulated",
    "deepgram": "deepgram-admin-simulated",
    "cartesia": "sk_car_admin_simulated",
}
"""What the simulated billing APIs of the demo's vendors take; secrets of nobody."""
FLEET_MODULE: Final = "voicegateway.testing.fleet.worker"
VENDORS_READY_S_MAX: Final = 30.0
DRAIN_S_MAX: Final = 90.0
POLL_S: Final = 0.05


class Stage:
    """Lives as long as one demo run; everything on it ends with the context. Each run starts from nothing."""

    def __init__(self, options: DemoOptions) -> None:
        self._options = options
        self._closing = AsyncExitStack()
        self.home = options.home.expanduser().absolute() / "demo"
        self.truth_dir = self.home / "truth"
        self.journal = self.home / "calls.log"
        self._own_home()
        self.stack = LocalStack(self.home, port=options.port)
        self.vendors: Child | None = None
        self.fleet: Child

    async def __aenter__(self) -> "Stage":
        try:
            if not self._options.is_live:
                self._start_vendors()
                # Only while somebody looks: a run with a verdict compares request by request.
                if not self._options.is_once:
                    await self._start_billing()
            # Before the stack: the fleet's imports take longest, and its outbox keeps what comes early.
            self._start_fleet()
            await self._closing.enter_async_context(self.stack)
            await self._vendors_ready()
        except BaseException:
            await self._closing.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # The fleet first: what it settles on leaving still reaches the controller.
        await self.fleet.stop()
        await self._closing.aclose()

    async def drain(self) -> None:
        """Deliver what a fleet that is gone left behind: its outbox, and the requests of killed processes."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "voicegateway", "drain", "--wait-s", str(DRAIN_S_MAX)),
            env={**os.environ, **self._fleet_environment()},
            stderr=asyncio.subprocess.PIPE,
        )
        _, complaint = await process.communicate()
        if process.returncode:
            raise VoiceGatewayError(f"the outbox was not drained: {complaint.decode().strip()}")

    async def vendor_bill(self) -> dict[str, Any]:
        """What the simulated vendors would invoice."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", f"{VENDORS_MODULE}.bill", "--truth-dir", str(self.truth_dir)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        text, complaint = await process.communicate()
        if process.returncode:
            raise VoiceGatewayError(f"the vendors' bill cannot be read: {complaint.decode().strip()[-500:]}")
        bill: dict[str, Any] = json.loads(text)
        return bill

    def _own_home(self) -> None:
        parent = self.home.parent
        try:
            parent.mkdir(parents=True, exist_ok=True)
            lock = self._closing.enter_context((parent / "demo.lock").open("w"))
        except OSError as error:
            raise ConfigurationError(
                f"cannot write to {parent}: {error.strerror}; set VOICEGATEWAY_HOME to a folder you can write"
            ) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConfigurationError(f"a demo is already running on {parent}; stop it first") from error
        shutil.rmtree(self.home, ignore_errors=True)
        (self.home / "logs").mkdir(parents=True)
        self.truth_dir.mkdir()

    def _start_vendors(self) -> None:
        arguments = ("--truth-dir", str(self.truth_dir), "--port-file", str(self._vendor_urls))
        faults = ("--faults", self._options.faults, "--seed", str(self._options.seed))
        self.vendors = self._child("vendors", VENDORS_MODULE, *arguments, *faults)
        # A restarted simulator would bill on other ports: its death ends the demo instead.
        self.vendors.start(is_restarted=False)

    async def _start_billing(self) -> None:
        """Have the vendors tell what they charge, so that `voicegw reconcile` can ask; the controller knows where."""
        addresses = self.home / "billing.json"
        arguments = ("--truth-dir", str(self.truth_dir), "--port-file", str(addresses))
        billing = self._child("billing", BILLING_MODULE, *arguments)
        billing.start(is_restarted=False)
        await self._appears(addresses, billing)
        urls = json.loads(addresses.read_text())
        for vendor, key in BILLING_KEYS.items():
            self.stack.settings[f"VOICEGATEWAY_BILLING_{vendor.upper()}_KEY"] = key
            self.stack.settings[f"VOICEGATEWAY_BILLING_{vendor.upper()}_URL"] = urls[vendor]

    def _start_fleet(self) -> None:
        arguments = ("--calls", str(self._options.calls), "--concurrency", str(self._options.concurrency))
        self.fleet = self._child("fleet", FLEET_MODULE, *arguments)
        self.fleet.start()

    def _child(self, name: str, module: str, *arguments: str) -> Child:
        child = Child(name, module, *arguments, environment=self._fleet_environment(), log_folder=self.home / "logs")
        self._closing.push_async_callback(child.stop)
        return child

    @property
    def _vendor_urls(self) -> Path:
        return self.home / "vendors.json"

    def _fleet_environment(self) -> dict[str, str]:
        """What a user sets on a worker: controller, token, outbox; and for us where the simulators are."""
        return {
            "VOICEGATEWAY_URL": self.stack.url,
            "VOICEGATEWAY_TOKEN": self.stack.connection.worker_token,
            "VOICEGATEWAY_OUTBOX_DIR": str(self.home / "outbox"),
            "VOICEGATEWAY_CALL_JOURNAL": str(self.journal),
            "VOICEGATEWAY_FLEET_IDLE": str(self._options.concurrency),
            "VOICEGATEWAY_VENDOR_URLS": "" if self._options.is_live else str(self._vendor_urls),
        }

    async def _vendors_ready(self) -> None:
        if self.vendors is not None:
            await self._appears(self._vendor_urls, self.vendors)

    async def _appears(self, addresses: Path, child: Child) -> None:
        deadline_s = time.monotonic() + VENDORS_READY_S_MAX
        while not addresses.exists():
            if child.exit_code() is not None or time.monotonic() > deadline_s:
                raise ConfigurationError(f"the simulated vendors did not start: {child.last_words()}")
            await asyncio.sleep(POLL_S)
