"""Deepgram's own account of a month: its billing breakdown is the bill, its usage breakdown what was counted."""

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final
from urllib.parse import quote

from voicegateway_controller.reconcile.errors import VendorRefused
from voicegateway_controller.reconcile.exact import NotExact, pico_usd, whole
from voicegateway_controller.reconcile.sources.answers import Answers, Window
from voicegateway_controller.reconcile.sources.line_words import category_of
from voicegateway_controller.reconcile.sources.vendor_api import Answer, Params, VendorApi
from voicegateway_controller.reconcile.statement import VendorLine, VendorStatement

PROVIDER: Final = "deepgram"
URL: Final = "https://api.deepgram.com"
REFUSAL: Final = (
    "its billing needs the API key of a project's admin or owner (roles are given at https://console.deepgram.com, "
    "Settings → API Keys); set it as VOICEGATEWAY_BILLING_DEEPGRAM_KEY"
)
RESTATED_DAYS: Final = 3
"""Our assumption: the vendor states no delay."""
PROJECTS_MAX: Final = 50
GRAINS: Final = ("day", "account", "credential", "sku", "model", "meter")
MS_PER_HOUR: Final = 3_600_000
NOTE_UNCOUNTED: Final = "the key may not read usage, or not in this grouping: there are amounts, and no quantities"

_MODES: Final[Mapping[str, dict[str, str]]] = {
    "streaming": {"mode": "streaming"},
    "stream": {"mode": "streaming"},
    "batch": {"mode": "batch"},
    "prerecorded": {"mode": "batch"},
    "pre-recorded": {"mode": "batch"},
    "async": {"mode": "batch"},
    "sync": {"mode": "batch"},
}
_ADDONS: Final = {"diarize": "diarize_ms", "diarization": "diarize_ms", "keyterm": "keyterm_ms"}
_MULTI: Final = re.compile(r"(?P<model>nova-[0-9]+(?:-general)?)-multi(?:lingual)?")
"""Code switching is another price of the same model; `flux-general-multi` is a model of its own."""


class DeepgramBilling:
    """Deepgram's projects, money and usage; a BillingSource."""

    def __init__(self, key: str, *, projects: Sequence[str] = (), url: str = URL, edge_days: int = 0) -> None:
        """Without `projects`, all that the key sees."""
        self._key = key
        self._projects = tuple(projects)
        self._url = url
        self._edge_days = edge_days

    @property
    def provider(self) -> str:
        """Our id of the vendor."""
        return PROVIDER

    async def fetch(self, month: date, *, now: datetime) -> VendorStatement:
        """Return dollars by key and line item, and usage by key, model and method, of every project."""
        window = Window(month, edge_days=self._edge_days)
        api = VendorApi(
            PROVIDER,
            url=self._url,
            headers={"Authorization": f"Token {self._key}"},
            secret=self._key,
            refusal=REFUSAL,
            now=now,
        )
        async with api:
            reader = _Reader(api, window)
            for project in self._projects or await reader.projects():
                await reader.read_bill(project)
                await reader.read_counts(project)
        kept = window.kept(reader.lines)
        bill = [line for line in kept if line.sku]
        unpriced = sum(line.amount_pico_usd is None for line in bill)
        if unpriced:
            reader.notes.append(
                f"{unpriced} lines have no dollars, as contracts may have it: their amounts are unknown"
            )
        return VendorStatement(
            provider=PROVIDER,
            month=window.month,
            lines=kept,
            documents=tuple(api.documents),
            settled_until=now.date() - timedelta(days=RESTATED_DAYS),
            grains=GRAINS,
            has_amounts=unpriced < len(bill) or not bill,
            notes=tuple(dict.fromkeys(reader.notes)),
        )


class _Reader:
    def __init__(self, api: VendorApi, window: Window) -> None:
        self.lines: list[VendorLine] = []
        self.notes: list[str] = []
        self._api = api
        self._read = Answers(api)
        # Whether `end` belongs to what is told is not documented: what is outside of the month is dropped later.
        self._span: Params = [("start", window.start.isoformat()), ("end", window.end.isoformat())]

    async def projects(self) -> list[str]:
        """Ids of the projects that the key sees."""
        found = self._read.items(await self._api.get("/v1/projects"), "projects")
        ids = [self._read.text(each, "project_id") for each in found]
        if not any(ids):
            raise VendorRefused(f"deepgram names no project: {REFUSAL}", provider=PROVIDER, status=200)
        if len(ids) > PROJECTS_MAX:
            raise self._api.unreadable(f"more than {PROJECTS_MAX} projects: set VOICEGATEWAY_BILLING_DEEPGRAM_PROJECTS")
        return [each for each in ids if each]

    async def read_bill(self, project: str) -> None:
        """Dollars by key and line item."""
        path = f"/v1/projects/{quote(project, safe='')}/billing/breakdown"
        answer = await self._api.get(path, [*self._span, ("grouping", "accessor"), ("grouping", "line_item")])
        for result, grouping, day in self._results(answer):
            sku = self._read.text(grouping, "line_item") or "(no line item)"
            model, meter, context = line_item(sku)
            dollars = self._read.number(result, "dollars")
            try:
                amount = None if dollars is None else pico_usd(dollars)
            except NotExact as error:
                raise self._api.unreadable(str(error)) from error
            self.lines.append(
                VendorLine(
                    provider=PROVIDER,
                    day=day,
                    sku=sku,
                    account=project,
                    credential=self._read.text(grouping, "accessor"),
                    model=model,
                    meter=meter,
                    context=context,
                    amount_pico_usd=amount,
                    category="usage" if model else category_of(sku),
                    document=len(self._api.documents) - 1,
                )
            )

    async def read_counts(self, project: str) -> None:
        """Hours, characters and requests by key, model and method; as fine as the vendor lets us."""
        path = f"/v1/projects/{quote(project, safe='')}/usage/breakdown"
        for grouped in (("accessor", "models", "method"), ("models",)):
            try:
                answer = await self._api.get(path, [*self._span, *(("grouping", each) for each in grouped)])
            except VendorRefused:
                continue
            for result, grouping, day in self._results(answer):
                self._count(result, grouping, day, project)
            return
        self.notes.append(NOTE_UNCOUNTED)

    def _results(self, answer: Answer) -> list[tuple[Mapping[str, Any], Mapping[str, Any], date]]:
        resolution = self._read.text(self._read.object(answer, "resolution"), "units")
        if resolution not in ("", "day"):
            raise self._api.unreadable(f"a breakdown by {resolution}, not by day")
        found = []
        for result in self._read.items(answer, "results"):
            grouping = self._read.object(result, "grouping")
            found.append((result, grouping, self._read.instant(grouping, "start").date()))
        return found

    def _count(self, result: Mapping[str, Any], grouping: Mapping[str, Any], day: date, project: str) -> None:
        models = self._read.texts(grouping, "models")
        method = self._read.text(grouping, "method").lower()
        model, language = _named(models[0]) if len(models) == 1 else ("", {})
        # Speech is one price, however it was asked for.
        is_speech = self._read.text(grouping, "endpoint") == "speak" or bool(
            self._read.number(result, "tts_characters")
        )
        context = {} if is_speech else {**_MODES.get(method, {}), **language}
        try:
            counted = {
                "requests": whole(self._read.number(result, "requests") or 0),
                "audio_sent_ms": whole(self._read.number(result, "hours") or 0, factor=MS_PER_HOUR),
                "characters_sent": whole(self._read.number(result, "tts_characters") or 0),
                "input_tokens": whole(self._read.number(result, "tokens_in") or 0),
                "output_tokens": whole(self._read.number(result, "tokens_out") or 0),
            }
        except NotExact as error:
            raise self._api.unreadable(str(error)) from error
        for meter, quantity in counted.items():
            if quantity:
                self.lines.append(
                    VendorLine(
                        provider=PROVIDER,
                        day=day,
                        sku="",
                        account=project,
                        credential=self._read.text(grouping, "accessor"),
                        model=model,
                        meter=meter,
                        context=context,
                        quantity=quantity,
                        requests=quantity if meter == "requests" else None,
                        document=len(self._api.documents) - 1,
                    )
                )


def line_item(text: str) -> tuple[str, str, dict[str, str]]:
    """Model, meter and context of a line item such as `streaming::nova-3` or `streaming::nova-3::diarize`."""
    kind, separator, rest = text.partition("::")
    if not separator:
        return "", "", {}
    name, _, addon = rest.partition("::")
    model, language = _named(name)
    kind = kind.strip().lower()
    context = {**_MODES.get(kind, {}), **language}
    if addon:
        return model, _ADDONS.get(addon.strip().lower(), ""), context
    if kind in ("speak", "tts"):
        return model, "characters_sent", context
    return model, "audio_sent_ms" if kind in _MODES else "", context


def _named(name: str) -> tuple[str, dict[str, str]]:
    """A model's name without the language that is a part of some."""
    found = _MULTI.fullmatch(name.strip())
    return (found["model"], {"language": "multi"}) if found else (name.strip(), {})
