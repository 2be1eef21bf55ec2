// Time to first byte per provider and model.
import { periodStart, toRfc3339, type Period, type Zone } from "../lib/time";
import { count, listOf, milliseconds, optional, shape, text, type Decoder } from "./decode";
import type { Report } from "./report";

const latencyAnswer = shape({
  rows: listOf(
    shape({
      provider: text,
      model: text,
      modality: text,
      requests: count,
      ttfb_p50_ms: optional(milliseconds),
      ttfb_p95_ms: optional(milliseconds),
    }),
  ),
});

export type Latency = typeof latencyAnswer extends Decoder<infer T> ? T : never;
export type LatencyRow = Latency["rows"][number];

export function latencyReport(period: Period, zone: Zone): Report<Latency> {
  return {
    key: ["latency", period, zone],
    question: (now) => ({
      path: "latency",
      query: { since: toRfc3339(periodStart(period, now, zone)) },
      decode: latencyAnswer,
    }),
  };
}
