// The worker and job processes of the fleet, and taking one out of service.
import type { Question } from "./client";
import { count, flag, instant, listOf, optional, shape, text, type Decoder } from "./decode";
import type { Report } from "./report";

const worker = shape({
  id: text,
  kind: text,
  agent: text,
  host: text,
  pid: count,
  shim_version: text,
  agents_version: text,
  /** Of a worker only. */
  load_permille: optional(count),
  active_jobs: optional(count),
  sessions: count,
  is_drained: flag,
  is_drain_ordered: flag,
  is_up_to_date: flag,
  /** What of the configuration it does not know yet. */
  behind: listOf(text),
  seen_at: optional(instant),
});
const workersAnswer = shape({ workers: listOf(worker), may_drain: flag });

export type Workers = typeof workersAnswer extends Decoder<infer T> ? T : never;
export type Worker = Workers["workers"][number];

export const workersReport: Report<Workers> = {
  key: ["workers"],
  question: () => ({ path: "workers", query: { limit: "500" }, decode: workersAnswer }),
};

export function drain(id: string, isDrained: boolean): Question<unknown> {
  return {
    path: `workers/${encodeURIComponent(id)}/${isDrained ? "drain" : "undrain"}`,
    query: {},
    order: { reason: "from the dashboard" },
    decode: shape({}),
  };
}
