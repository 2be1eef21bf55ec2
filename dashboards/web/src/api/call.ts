// One whole call: every request and leg with its entries, and the sums of its parts.
import { count, flag, instant, listOf, optional, shape, text, usd, type Decoder } from "./decode";
import type { Report } from "./report";

type Decoded<D> = D extends Decoder<infer T> ? T : never;

const CALL_EVERY_MS = 5_000;

const signed: Decoder<number> = (value, place) =>
  typeof value === "number" && value < 0 ? -count(-value, place) : count(value, place);
const line = shape({
  meter: text,
  kind: text,
  revision: count,
  // What corrects usage may take some away.
  quantity: signed,
  billed_quantity: signed,
  amount_usd: usd,
  price_id: optional(text),
  unrated_reason: optional(text),
});
const item = shape({
  request_id: text,
  project: text,
  part: text,
  provider: text,
  model: text,
  started_at: optional(instant),
  ended_at: instant,
  outcome: text,
  direction: text,
  amount_usd: usd,
  is_estimated: flag,
  is_unrated: flag,
  is_corrected: flag,
  lines: listOf(line),
});
const openLeg = shape({
  part: text,
  provider: text,
  model: text,
  started_at: optional(instant),
  ended_at: optional(instant),
  duration_ms: count,
  amount_usd: usd,
  is_unrated: flag,
});
const callAnswer = shape({
  session_id: text,
  projects: listOf(text),
  agent: text,
  room: text,
  started_at: optional(instant),
  ended_at: optional(instant),
  is_live: optional(flag),
  requests: count,
  estimated_requests: count,
  unrated_requests: count,
  corrected_requests: count,
  total_usd: usd,
  parts: listOf(shape({ part: text, requests: count, amount_usd: usd })),
  items: listOf(item),
  left_out: count,
  pending: count,
  open_legs: listOf(openLeg),
  so_far_usd: usd,
});

export type WholeCall = Decoded<typeof callAnswer>;
export type CallItem = Decoded<typeof item>;
export type CallLine = Decoded<typeof line>;
export type OpenLeg = Decoded<typeof openLeg>;
export type PartSum = WholeCall["parts"][number];

export function callReport(sessionId: string): Report<WholeCall> {
  return {
    key: ["call", sessionId],
    question: () => ({ path: `sessions/${encodeURIComponent(sessionId)}`, query: {}, decode: callAnswer }),
    everyMs: CALL_EVERY_MS,
  };
}
