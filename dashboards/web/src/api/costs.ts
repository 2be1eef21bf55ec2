// What was spent in a period, by one dimension.
import { periodStart, toRfc3339, type Period, type Zone } from "../lib/time";
import { count, groupKey, instant, listOf, mapOf, optional, shape, usd, type Decoder } from "./decode";
import type { Report } from "./report";

export const DIMENSIONS = ["provider", "model", "project"] as const;
export type Dimension = (typeof DIMENSIONS)[number];

const figures = { amount_usd: usd, requests: count, estimated_requests: count, unrated_requests: count };
const costRow = shape({ key: groupKey, ...figures, usage: mapOf(count) });
const costsAnswer = shape({
  as_of: instant,
  since: instant,
  until: instant,
  total: shape({ ...figures, sessions: optional(count) }),
  rows: listOf(costRow),
});

type Decoded<D> = D extends Decoder<infer T> ? T : never;
export type CostRow = Decoded<typeof costRow>;
export type Costs = Decoded<typeof costsAnswer>;

export function costsReport(by: Dimension, period: Period, zone: Zone): Report<Costs> {
  return {
    key: ["costs", by, period, zone],
    question: (now) => ({
      path: "costs",
      query: { by, since: toRfc3339(periodStart(period, now, zone)) },
      decode: costsAnswer,
    }),
  };
}
