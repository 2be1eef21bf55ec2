// How far the ledger is behind, and what it could not price or read.
import { count, instant, milliseconds, optional, shape, type Decoder } from "./decode";
import type { Report } from "./report";

const statusAnswer = shape({
  pending_spans: count,
  oldest_pending_age_ms: optional(milliseconds),
  rated_spans_total: count,
  quarantined_total: count,
  unrated_requests_total: count,
  last_rated_at: optional(instant),
});

export type LedgerStatus = typeof statusAnswer extends Decoder<infer T> ? T : never;

export const ledgerStatusReport: Report<LedgerStatus> = {
  key: ["ledger-status"],
  question: () => ({ path: "ledger/status", query: {}, decode: statusAnswer }),
};
