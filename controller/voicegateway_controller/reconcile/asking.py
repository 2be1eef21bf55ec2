"""Where a statement comes from: a vendor's API, a file that somebody sent, or a total said by hand."""

import asyncio
from collections.abc import Callable
from datetime import date, datetime

from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller.db.engine import raw_connection
from voicegateway_controller.errors import BadRequest
from voicegateway_controller.reconcile import files
from voicegateway_controller.reconcile.service import Fetch
from voicegateway_controller.reconcile.statement import BillingSource, VendorStatement

_MAPPING = "SELECT document FROM reconcile_mapping WHERE name = $1"


class Asking:
    """Makes the step that fetches a statement; lives as long as the process."""

    def __init__(self, engine: AsyncEngine, open_source: Callable[[str], BillingSource]) -> None:
        self._engine = engine
        self._open_source = open_source

    def api(self, provider: str, month: date) -> Fetch:
        """Ask the vendor's API. Raises ConfigurationError when there is none, or no key for it."""
        source = self._open_source(provider)

        async def fetch(now: datetime) -> VendorStatement:
            return await source.fetch(month, now=now)

        return fetch

    def total(self, provider: str, month: date, total_usd: str, tax_usd: str | None) -> Fetch:
        """Take an invoice's total, tax included, as it was said."""

        async def fetch(now: datetime) -> VendorStatement:
            return files.manual_total(provider=provider, month=month, now=now, total=total_usd, tax=tax_usd)

        return fetch

    async def file(
        self, provider: str, month: date, *, body: bytes, name: str, mapping: str, total: str | None, tax: str | None
    ) -> Fetch:
        """Read an invoice's file: a PDF for its total, a table by a saved or built-in mapping.

        Raises:
            BadRequest: there is no such mapping, or it is of another provider.
        """
        if name.lower().endswith(".pdf") or body.startswith(b"%PDF-"):

            async def read_pdf(now: datetime) -> VendorStatement:
                return await asyncio.to_thread(
                    files.read_pdf, body, name, provider=provider, month=month, now=now, total=total, tax=tax
                )

            return read_pdf
        found = await self._mapping(mapping or provider)
        if found.provider != provider:
            raise BadRequest(f"mapping {mapping!r} is for {found.provider}, not for {provider}")

        async def read_table(now: datetime) -> VendorStatement:
            return await asyncio.to_thread(files.read_table, body, name, found, month=month, now=now)

        return read_table

    async def _mapping(self, name: str) -> files.ColumnMapping:
        """A saved mapping, else the built-in one of this name."""
        async with raw_connection(self._engine) as connection:
            document = await connection.fetchval(_MAPPING, name)
        if document is not None:
            return await asyncio.to_thread(files.parse_mapping, document)
        built_in = files.builtin()
        if name not in built_in:
            raise BadRequest(
                f"there is no mapping {name!r}; these are built in: {', '.join(sorted(built_in))}. Propose one with "
                "`voicegw reconcile mapping propose`"
            )
        return built_in[name]
