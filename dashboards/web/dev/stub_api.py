"""A stand-in for the controller while the page is designed: made-up calls, the real API shapes and headers.

Development only; tests use the real controller. `npm run build && python3 dev/stub_api.py`, then open the
printed address. `--empty` shows a ledger without requests, `--broken` answers every report with a problem.
"""

import argparse
import json
import math
import random
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import stub_budgets

Json = dict[str, Any]

BUNDLE = Path(__file__).resolve().parents[3] / "controller" / "voicegateway_controller" / "web"
TOKEN = "vgw_stub_token"
COOKIE = "stub=signed-in"
VISITOR = {
    "actor": "stub", "name": "designer", "kind": "session", "role": "operator", "projects": None, "expires_at": None,
    "csrf_token": "stub",
}  # fmt: skip
# As strict as the dashboard can live with; the controller's policy may only be wider.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
MODELS = (
    ("openai", "gpt-4.1-mini", "llm", "0.000412", 340),
    ("openai", "gpt-4o-mini-tts", "tts", "0.001310", 420),
    ("deepgram", "nova-3", "stt", "0.000963", 180),
    ("cartesia", "sonic-3", "tts", "0.002145", 140),
    ("anthropic", "claude-haiku-4-5", "llm", "0.001020", 510),
    ("acme-voice", "beta-7", "tts", "0", 260),
)
PROJECTS = ("support-line", "outbound-sales", "clinic-booking")


def instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


@cache
def spans() -> list[Json]:
    """A week of requests, denser towards now and with a daily wave."""
    chance = random.Random(7)
    now = datetime.now(UTC)
    made = []
    for minute in range(7 * 24 * 60):
        at = now - timedelta(minutes=minute)
        rate = 1.5 + 2.5 * max(0.0, math.sin((at.hour - 6) / 24 * 2 * math.pi))
        for _ in range(int(rate + chance.random())):
            provider, model, modality, price, ttfb = chance.choices(MODELS, (9, 3, 8, 7, 3, 0.15))[0]
            jitter = Decimal(chance.randrange(400, 2600)) / 1000
            made.append(
                {
                    "at": at - timedelta(seconds=chance.randrange(60)),
                    "provider": provider,
                    "model": model,
                    "modality": modality,
                    "project": chance.choices(PROJECTS, (6, 3, 2))[0],
                    "amount": (Decimal(price) * jitter).quantize(Decimal("0.000000000001")),
                    "ttfb": ttfb * chance.lognormvariate(0, 0.45),
                    "estimated": chance.random() < 0.012,
                    "unrated": price == "0",
                }
            )
    return made


def totals(group: list[Json]) -> Json:
    return {
        "amount_usd": f"{sum((one['amount'] for one in group), Decimal(0)):f}",
        "requests": len(group),
        "estimated_requests": sum(one["estimated"] for one in group),
        "unrated_requests": sum(one["unrated"] for one in group),
    }


def key_of(one: Json, by: str) -> str:
    """The API names a model with its provider."""
    return f"{one['provider']}/{one['model']}" if by == "model" else str(one[by])


def usage(group: list[Json]) -> Json:
    made: dict[str, int] = {"requests": len(group)}
    for one in group:
        if one["modality"] == "stt":
            made["audio_sent_ms"] = made.get("audio_sent_ms", 0) + 41_250
        elif one["modality"] == "llm":
            made["input_tokens"] = made.get("input_tokens", 0) + 812
            made["output_tokens"] = made.get("output_tokens", 0) + 64
        else:
            made["characters_sent"] = made.get("characters_sent", 0) + 143
    return made


def costs(query: Json, now: datetime) -> Json:
    since = datetime.fromisoformat(query["since"])
    chosen = [one for one in spans() if one["at"] >= since]
    keys = sorted({key_of(one, query["by"]) for one in chosen})
    groups = {key: [one for one in chosen if key_of(one, query["by"]) == key] for key in keys}
    rows = [{"key": key, **totals(group), "usage": usage(group)} for key, group in groups.items()]
    total = {**totals(chosen), "sessions": len(chosen) // 11}
    return {
        "as_of": instant(now),
        "since": query["since"],
        "until": instant(now),
        "by": query["by"],
        "total": total,
        "rows": rows,
    }


def spend(query: Json, now: datetime) -> Json:
    since = datetime.fromisoformat(query["since"])
    points: dict[tuple[datetime, str], list[Json]] = {}
    for one in spans():
        if one["at"] >= since:
            at = one["at"].replace(second=0, microsecond=0)
            at = at if query["bucket"] == "minute" else at.replace(minute=0)
            points.setdefault((at, key_of(one, query["by"])), []).append(one)
    rows = [
        {"at": instant(at), "key": key, "amount_usd": totals(group)["amount_usd"], "requests": len(group)}
        for (at, key), group in sorted(points.items())
    ]
    return {"bucket": query["bucket"], "by": query["by"], "points": rows}


def latency(query: Json, now: datetime) -> Json:
    since = datetime.fromisoformat(query["since"])
    rows = []
    for provider, model, modality, _, _ in MODELS:
        times = sorted(one["ttfb"] for one in spans() if one["model"] == model and one["at"] >= since)
        if times:
            p50, p95 = (round(times[int(len(times) * part)]) for part in (0.5, 0.95))
            rows.append(
                {
                    "provider": provider,
                    "model": model,
                    "modality": modality,
                    "requests": len(times),
                    "ttfb_p50_ms": p50,
                    "ttfb_p95_ms": p95,
                }
            )
    return {"rows": rows}


def session_rows(now: datetime) -> list[Json]:
    chance = random.Random(11)
    rows = []
    for index in range(50):
        start = now - timedelta(seconds=20 + index * 97)
        is_live = index < 4
        requests = chance.randrange(4, 60)
        rows.append(
            {
                "session_id": str(UUID(int=chance.getrandbits(128), version=4)),
                "project": chance.choice(PROJECTS),
                "agent": chance.choice(("front-desk", "qualifier", None)),
                "room": f"call-{chance.getrandbits(20):05x}",
                "started_at": instant(start),
                "ended_at": None if is_live else instant(start + timedelta(seconds=chance.randrange(30, 400))),
                "live": is_live,
                "requests": requests,
                "errors": int(chance.random() < 0.1),
                "estimated_requests": int(chance.random() < 0.15),
                "unrated_requests": int(chance.random() < 0.04),
                "amount_usd": f"{Decimal(requests * chance.randrange(400_000_000, 1_900_000_000)).scaleb(-12):f}",
            }
        )
    return rows


def sessions(query: Json, now: datetime) -> Json:
    if not spans():
        return {"rows": []}
    return {"rows": session_rows(now)[: int(query["limit"])]}


def live(query: Json, now: datetime) -> Json:
    names = ("session_id", "project", "agent", "room", "started_at", "amount_usd")
    if not spans():
        return {"calls": 0, "workers": 0, "sessions": [], "may_end": True}
    running = [{name: row[name] for name in names} for row in session_rows(now) if row["live"]]
    return {"calls": len(running), "workers": 3, "sessions": running, "may_end": True}


def ledger_status(query: Json, now: datetime) -> Json:
    return {
        "pending_spans": 3,
        "oldest_pending_age_ms": 240,
        "rated_spans_total": len(spans()),
        "quarantined_total": 0,
        "unrated_requests_total": 9,
        "last_rated_at": instant(now),
    }


def budgets_status(query: Json, now: datetime) -> Json:
    status = stub_budgets.status(now)
    return status if spans() else {**status, "budgets": [], "projects": [], "anomalies": []}


def alerts(query: Json, now: datetime) -> Json:
    return stub_budgets.alerts(now) if spans() else {"alerts": [], "next": None}


REPORTS = {
    "/api/v1/costs": costs,
    "/api/v1/spend": spend,
    "/api/v1/latency": latency,
    "/api/v1/sessions": sessions,
    "/api/v1/live": live,
    "/api/v1/ledger/status": ledger_status,
    "/api/v1/budgets/status": budgets_status,
    "/api/v1/alerts": alerts,
}


class Stub(SimpleHTTPRequestHandler):
    """Serves the built bundle at `/` and made-up reports at `/api/v1`."""

    is_broken = False

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        is_signed_in = COOKIE in self.headers.get("Cookie", "")
        if url.path == "/api/v1/sign-in/options":
            self.answer(HTTPStatus.OK, {"token": True, "oidc": None, "signed_in": VISITOR if is_signed_in else None})
        elif url.path not in REPORTS:
            super().do_GET()
        elif not is_signed_in:
            self.answer(HTTPStatus.UNAUTHORIZED, problem("unauthenticated", "Nobody is signed in."))
        elif self.is_broken:
            self.answer(HTTPStatus.SERVICE_UNAVAILABLE, problem("database.unavailable", "Postgres does not answer."))
        else:
            query = {name: values[0] for name, values in parse_qs(url.query).items()}
            self.answer(HTTPStatus.OK, REPORTS[url.path](query, datetime.now(UTC)))

    def do_POST(self) -> None:
        """Sign in with the stub's token, and out; every call may be ended, and goes on."""
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        if self.path == "/api/v1/sign-out":
            self.answer(HTTPStatus.OK, {}, cookie=f"{COOKIE}; Max-Age=0; Path=/; HttpOnly")
        elif self.path != "/api/v1/sign-in":
            self.answer(HTTPStatus.OK, {})
        elif json.loads(body).get("token") == TOKEN:
            self.answer(HTTPStatus.OK, VISITOR, cookie=f"{COOKIE}; Path=/; HttpOnly")
        else:
            self.answer(HTTPStatus.UNAUTHORIZED, problem("unauthenticated", "This token is unknown."))

    def answer(self, status: HTTPStatus, body: Json, *, cookie: str = "") -> None:
        payload = json.dumps(body).encode()
        self.send_response(status)
        if cookie:
            self.send_header("Set-Cookie", cookie)
        self.send_header("Content-Type", "application/json" if status == HTTPStatus.OK else "application/problem+json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def end_headers(self) -> None:
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("X-Content-Type-Options", "nosniff")
        super().end_headers()

    def log_message(self, *args: object) -> None:
        """Six polls every two seconds are not news."""


def problem(code: str, detail: str) -> Json:
    return {"type": "about:blank", "title": code, "status": 0, "detail": detail, "code": code}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--empty", action="store_true")
    parser.add_argument("--broken", action="store_true")
    options = parser.parse_args()
    if options.empty:
        spans().clear()
    Stub.is_broken = options.broken
    server = ThreadingHTTPServer(("127.0.0.1", options.port), lambda *args: Stub(*args, directory=str(BUNDLE)))
    sys.stdout.write(f"http://127.0.0.1:{server.server_port}/#token={TOKEN}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()
