// The controller as the browser sees it: fetch replaced at the boundary, answering the contract's shapes.
import { vi } from "vitest";

type Computed = (url: URL) => object;
type Answer = object | Computed;

/** What was asked, in order. */
export interface Asked {
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  /** The proof that came along; null: none did. */
  readonly csrf: string | null;
  /** What was ordered, for a POST. */
  readonly order?: unknown;
  /** For a DELETE. */
  readonly method?: string;
}

export const GOOD_TOKEN = "vgw_viewer_secret";
export const CSRF = "proof-of-this-page";
export const VISITOR = {
  actor: "1f2e", name: "finance", kind: "session", role: "viewer", projects: null, expires_at: null, csrf_token: CSRF,
};

/** Whether the browser's cookie is good, which the page cannot see. */
let isCookieGood = false;

/** The visitor comes with a good cookie, or without one. */
export function beSignedIn(isGood = true): void {
  isCookieGood = isGood;
}

const FIGURES = { amount_usd: "0.300000000001", requests: 3, estimated_requests: 1, unrated_requests: 0 };

/** A valid answer to each report; a test changes the one it is about. */
export const ANSWERS: Readonly<Record<string, Answer>> = {
  costs: {
    as_of: "2026-11-21T14:03:07Z",
    since: "2026-11-21T00:00:00Z",
    until: "2026-11-21T14:03:07Z",
    by: "provider",
    total: { ...FIGURES, sessions: 2 },
    rows: [
      { key: "deepgram", ...FIGURES, amount_usd: "0.1", usage: { audio_sent_ms: 61_000 } },
      { key: "openai", ...FIGURES, amount_usd: "0.200000000001", usage: { input_tokens: 900, output_tokens: 40 } },
    ],
  },
  spend: (url) => ({
    bucket: url.searchParams.get("bucket"),
    by: url.searchParams.get("by"),
    points: [{ at: url.searchParams.get("since"), key: "openai", amount_usd: "0.2", requests: 1 }],
  }),
  latency: {
    rows: [{ provider: "openai", model: "gpt-4.1-mini", modality: "llm", requests: 2, ttfb_p50_ms: 310, ttfb_p95_ms: 1900 }],
  },
  sessions: {
    rows: [
      {
        session_id: "session-ended",
        project: "support",
        agent: null,
        room: "room-1",
        started_at: "2026-11-21T13:00:00Z",
        ended_at: "2026-11-21T13:02:05Z",
        live: false,
        requests: 3,
        errors: 1,
        estimated_requests: 1,
        unrated_requests: 2,
        amount_usd: "0.300000000001",
      },
    ],
  },
  live: { calls: 7, workers: 2, sessions: [], may_end: false },
  "ledger/status": {
    pending_spans: 4,
    oldest_pending_age_ms: 350,
    rated_spans_total: 3,
    quarantined_total: 0,
    unrated_requests_total: 0,
    last_rated_at: null,
  },
  "budgets/status": { is_live: true, budgets: [], projects: [], anomalies: [] },
  alerts: { alerts: [], next: null },
  "providers/health": { is_live: true, targets: [], disabled: [], may_switch: false },
};

/** Answer fetch until the test ends; returns what is asked, as it is asked. */
export function fakeApi(changed: Readonly<Record<string, Answer>> = {}): Asked[] {
  const answers: Readonly<Record<string, Answer>> = { ...ANSWERS, "sign-in/options": options, "sign-out": {}, ...changed };
  const asked: Asked[] = [];
  vi.stubGlobal("fetch", (input: string, init: RequestInit) => {
    const url = new URL(input, "http://controller.test");
    const path = url.pathname.replace("/api/v1/", "");
    const csrf = new Headers(init.headers).get("X-CSRF-Token");
    const order = typeof init.body === "string" ? { order: JSON.parse(init.body) as unknown } : {};
    const method = init.method === "DELETE" ? { method: init.method } : {};
    asked.push({ path, query: Object.fromEntries(url.searchParams), csrf, ...order, ...method });
    if (path === "sign-in") return Promise.resolve(signedIn(order.order));
    if (!isCookieGood && path !== "sign-in/options") return Promise.resolve(problem(401, "Nobody is signed in."));
    if (init.method !== undefined && csrf !== CSRF) return Promise.resolve(problem(403, "Another site asks."));
    if (path === "sign-out") isCookieGood = false;
    const answer = answers[path];
    if (answer === undefined) return Promise.resolve(problem(404, `No report ${path}.`));
    const body = isComputed(answer) ? answer(url) : answer;
    return Promise.resolve(body instanceof Response ? body : Response.json(body));
  });
  return asked;
}

function options(): object {
  return { token: true, oidc: null, signed_in: isCookieGood ? VISITOR : null };
}

function signedIn(order: unknown): Response {
  isCookieGood = JSON.stringify(order) === JSON.stringify({ token: GOOD_TOKEN });
  return isCookieGood ? Response.json(VISITOR) : problem(401, "This token is unknown.");
}

function isComputed(answer: Answer): answer is Computed {
  return typeof answer === "function";
}

/** RFC 9457. */
export function problem(status: number, detail: string): Response {
  return Response.json({ type: "about:blank", title: "Refused", status, detail, code: "test.refused" }, { status });
}
