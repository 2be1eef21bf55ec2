// The books as an accountant reads them: months, the trial balance, corrections.
import { count, flag, instant, listOf, optional, shape, text, usd, type Decoder } from "./decode";
import type { Report } from "./report";

type Decoded<D> = D extends Decoder<infer T> ? T : never;

// They change when a month is closed or something is corrected, which is no matter of seconds.
const MONTHS_EVERY_MS = 15_000;
// The trial balance sums every entry of its months anew.
const BALANCE_EVERY_MS = 300_000;
const BALANCE_WAIT_MS = 120_000;
export const CORRECTIONS_MAX = 50;

const month = shape({
  month: text,
  is_closed: flag,
  entries: count,
  amount_usd: usd,
  late_entries: count,
  pending_spans: count,
  closed_at: optional(instant),
  closed_by: text,
  reason: text,
});
const monthsAnswer = shape({ periods: listOf(month) });
const account = shape({ name: text, debit_usd: usd, credit_usd: usd, balance_usd: usd });
const balanceAnswer = shape({ accounts: listOf(account), debit_usd: usd, credit_usd: usd, difference_usd: usd });
const correction = shape({
  id: text,
  kind: text,
  reason: text,
  actor: text,
  created_at: instant,
  reverses: optional(text),
  entries: count,
  amount_usd: usd,
});
const correctionsAnswer = shape({ corrections: listOf(correction) });

export type Months = Decoded<typeof monthsAnswer>;
export type Month = Decoded<typeof month>;
export type TrialBalance = Decoded<typeof balanceAnswer>;
export type Account = Decoded<typeof account>;
export type Correction = Decoded<typeof correction>;

export const monthsReport: Report<Months> = {
  key: ["months"],
  question: () => ({ path: "ledger/periods", query: {}, decode: monthsAnswer }),
  everyMs: MONTHS_EVERY_MS,
};

/** Of one month such as "2026-10", or of all. */
export function balanceReport(of: string | null): Report<TrialBalance> {
  const query = of === null ? {} : { since: of, until: monthAfter(of) };
  return {
    key: ["balance", of ?? "all"],
    question: () => ({ path: "ledger/balance", query, decode: balanceAnswer, waitMs: BALANCE_WAIT_MS }),
    everyMs: BALANCE_EVERY_MS,
  };
}

export const correctionsReport: Report<{ readonly corrections: readonly Correction[] }> = {
  key: ["corrections"],
  question: () => ({ path: "ledger/corrections", query: { limit: String(CORRECTIONS_MAX) }, decode: correctionsAnswer }),
  everyMs: MONTHS_EVERY_MS,
};

/** "2026-12" → "2027-01". */
export function monthAfter(of: string): string {
  const [year = 0, number = 0] = of.split("-").map(Number);
  return number === 12 ? `${year + 1}-01` : `${year}-${String(number + 1).padStart(2, "0")}`;
}
