// The latest calls and what they cost, the running ones first.
import type { PicoUsd } from "../lib/money";
import { count, flag, instant, listOf, optional, shape, text, usd } from "./decode";
import type { LiveSession } from "./live";
import type { Report } from "./report";

export interface SessionRow {
  readonly session_id: string;
  readonly project: string;
  readonly agent: string | null;
  readonly room: string | null;
  readonly started_at: number | null;
  readonly ended_at: number | null;
  readonly live: boolean;
  readonly requests: number;
  readonly errors: number;
  readonly estimated_requests: number;
  readonly unrated_requests: number;
  readonly amount_usd: PicoUsd;
}

// What fits a table people still read; older calls are found by search, not by scrolling.
export const SESSIONS_MAX = 50;

const sessionRow = shape<SessionRow>({
  session_id: text,
  project: text,
  agent: optional(text),
  room: optional(text),
  started_at: optional(instant),
  ended_at: optional(instant),
  live: flag,
  requests: count,
  errors: count,
  estimated_requests: count,
  unrated_requests: count,
  amount_usd: usd,
});
const sessionsAnswer = shape({ rows: listOf(sessionRow) });

export const sessionsReport: Report<{ readonly rows: readonly SessionRow[] }> = {
  key: ["sessions"],
  question: () => ({ path: "sessions", query: { limit: String(SESSIONS_MAX) }, decode: sessionsAnswer }),
};

/** Live calls first, among them those too young to have spent anything; then the rest, newest first. */
export function withLive(rows: readonly SessionRow[], live: readonly LiveSession[]): SessionRow[] {
  const known = new Set(rows.map(sessionKey));
  const liveKeys = new Set(live.map(sessionKey));
  const young = live.filter((session) => !known.has(sessionKey(session))).map(fromLive);
  const marked = rows.map((row) => (liveKeys.has(sessionKey(row)) && !row.live ? { ...row, live: true } : row));
  return [...young, ...marked].sort(
    (left, right) => Number(right.live) - Number(left.live) || (right.started_at ?? 0) - (left.started_at ?? 0),
  );
}

/** A session that several projects pay for has a row for each. */
export function sessionKey({ session_id, project }: Pick<SessionRow, "session_id" | "project">): string {
  return JSON.stringify([session_id, project]);
}

function fromLive(session: LiveSession): SessionRow {
  return {
    ...session,
    ended_at: null,
    live: true,
    requests: 0,
    errors: 0,
    estimated_requests: 0,
    unrated_requests: 0,
  };
}
