// How the budgets stand, and what they and each project will come to.
import { count, flag, instant, listOf, mapOf, optional, shape, text, usd, type Decoder } from "./decode";
import type { Report } from "./report";

const projection = shape({ at: instant, likely_usd: usd, low_usd: usd, high_usd: usd });
const burn = { burn_last_hour_usd: usd, burn_last_day_usd: usd };
const surety = { sureness: text, weeks: count };

const budget = shape({
  id: text,
  selector: mapOf(text),
  window: text,
  zone: text,
  resets_at: optional(instant),
  action: text,
  state: text,
  thresholds: listOf(count),
  amount_usd: usd,
  spent_usd: optional(usd),
  reserved_usd: optional(usd),
  left_usd: optional(usd),
  holders: count,
  is_unbacked: flag,
  forecast: optional(
    shape({ ...burn, ...surety, runs_out_at: optional(instant), window_end: optional(projection), month_end: projection }),
  ),
});
const projectForecast = shape({ project: text, zone: text, spent_this_month_usd: usd, ...burn, ...surety, month_end: projection });
const oddHour = shape({ project: text, hour: instant, spent_usd: usd, usual_usd: usd, weeks: count, is_over: flag });
const statusAnswer = shape({
  is_live: flag,
  budgets: listOf(budget),
  projects: listOf(projectForecast),
  anomalies: listOf(oddHour),
});

type Decoded<D> = D extends Decoder<infer T> ? T : never;
export type BudgetsStatus = Decoded<typeof statusAnswer>;
export type Budget = Decoded<typeof budget>;
export type Projection = Decoded<typeof projection>;
export type ProjectForecast = Decoded<typeof projectForecast>;
export type OddHour = Decoded<typeof oddHour>;

export const budgetsReport: Report<BudgetsStatus> = {
  key: ["budgets"],
  question: () => ({ path: "budgets/status", query: {}, decode: statusAnswer }),
};
