// Vendors' bills beside our books: runs, the cells that differ most, and what changed since the run before.
import { count, flag, instant, listOf, mapOf, optional, shape, text, usd, type Decoder } from "./decode";
import type { Question } from "./client";
import type { Report } from "./report";

type Decoded<D> = D extends Decoder<infer T> ? T : never;

// As many as the controller gives at once; older ones are a page further.
const RUNS_MAX = 200;
// The worst are what somebody looks for; `voicegw reconcile show` and the report have them all.
export const CELLS_MAX = 25;
// A run goes on for seconds to minutes.
const RUNS_EVERY_MS = 5_000;
// A run that is done does not change any more, but for being accepted.
const DETAILS_EVERY_MS = 60_000;

const part = shape({ category: text, amount_usd: usd, confidence: text, cells: count, reason: text });
const accepted = shape({ correction_id: text, booked_usd: usd, accepted_at: instant, actor: text });
const totals = shape({
  vendor_usd: usd,
  ours_usd: usd,
  difference_usd: usd,
  drift_usd: usd,
  unexplained_usd: usd,
  threshold: text,
  is_within: flag,
  is_derived: flag,
  settled_until: text,
  catalog_version: text,
  cells: count,
  parts: listOf(part),
  notes: listOf(text),
});
const run = shape({
  number: count,
  provider: text,
  month: text,
  source: text,
  is_nightly: flag,
  actor: text,
  state: text,
  step: text,
  error: text,
  started_at: instant,
  finished_at: optional(instant),
  report: optional(totals),
  accepted: optional(accepted),
});
const runsAnswer = shape({ reconciliations: listOf(run), next: optional(text) });
const cell = shape({
  position: count,
  category: text,
  day: optional(text),
  key_id: text,
  model: text,
  meter: text,
  context: mapOf(text),
  skus: listOf(text),
  vendor_quantity: optional(text),
  our_quantity: text,
  vendor_usd: usd,
  ours_usd: usd,
  difference_usd: usd,
  notes: listOf(text),
  parts: listOf(part),
});
const cellsAnswer = shape({ cells: listOf(cell) });
const comparison = shape({
  before: count,
  after: count,
  vendor_change_usd: usd,
  ours_change_usd: usd,
  parts: listOf(shape({ category: text, before_usd: usd, after_usd: usd })),
  cells: listOf(
    shape({
      day: optional(text),
      key_id: text,
      model: text,
      meter: text,
      vendor_before_usd: usd,
      vendor_after_usd: usd,
      ours_before_usd: usd,
      ours_after_usd: usd,
    }),
  ),
  is_complete: flag,
});

export type Run = Decoded<typeof run>;
export type Runs = Decoded<typeof runsAnswer>;
export type RunTotals = Decoded<typeof totals>;
export type Part = Decoded<typeof part>;
export type Cell = Decoded<typeof cell>;
export type Comparison = Decoded<typeof comparison>;

/** The newest first; `cursor` is the `next` of the page before. */
export function runsReport(cursor: string | null): Report<Runs> {
  const query = { limit: String(RUNS_MAX), ...(cursor !== null && { cursor }) };
  return {
    key: ["reconciliations", cursor ?? ""],
    question: () => ({ path: "reconciliations", query, decode: runsAnswer }),
    everyMs: RUNS_EVERY_MS,
  };
}

export function runReport(number: string): Report<Run> {
  return {
    key: ["reconciliation", number],
    question: () => ({ path: pathOf(number), query: {}, decode: run }),
    everyMs: RUNS_EVERY_MS,
  };
}

export function cellsReport(number: string): Report<{ readonly cells: readonly Cell[] }> {
  return {
    key: ["reconciliation-cells", number],
    question: () => ({ path: `${pathOf(number)}/cells`, query: { limit: String(CELLS_MAX) }, decode: cellsAnswer }),
    everyMs: DETAILS_EVERY_MS,
  };
}

export function comparisonReport(number: string): Report<Comparison> {
  return {
    key: ["reconciliation-compare", number],
    question: () => ({ path: `${pathOf(number)}/compare`, query: {}, decode: comparison }),
    everyMs: DETAILS_EVERY_MS,
  };
}

/** The page for people, as a file. */
export function reportFile(number: number): Question<unknown> {
  return { path: `${pathOf(String(number))}/report.html`, query: {}, decode: (value) => value };
}

/** The newest run of each provider and month, the latest months first; runs come the newest first. */
export function newestOfMonths(runs: readonly Run[]): Run[] {
  const newest = new Map<string, Run>();
  for (const each of runs) {
    const month = JSON.stringify([each.month, each.provider]);
    if (!newest.has(month)) newest.set(month, each);
  }
  return [...newest.values()].sort(
    (left, right) => right.month.localeCompare(left.month) || left.provider.localeCompare(right.provider),
  );
}

/** The newest run before this one that came to an end, for where the newest has no figures. */
export function lastDone(runs: readonly Run[], of: Run): Run | null {
  return (
    runs.find(
      ({ number, provider, month, report }) =>
        number < of.number && provider === of.provider && month === of.month && report !== null,
    ) ?? null
  );
}

function pathOf(number: string): string {
  return `reconciliations/${encodeURIComponent(number)}`;
}
