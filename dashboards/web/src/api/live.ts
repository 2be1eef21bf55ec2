// What is running now: calls, workers, and each call's spend so far.
import { count, flag, instant, listOf, optional, shape, text, usd, type Decoder } from "./decode";
import type { Report } from "./report";

const liveAnswer = shape({
  calls: count,
  workers: count,
  // A controller of before there was a way to end calls does not say it.
  may_end: optional(flag),
  sessions: listOf(
    shape({
      session_id: text,
      project: text,
      agent: optional(text),
      room: optional(text),
      started_at: optional(instant),
      amount_usd: usd,
    }),
  ),
});

export type Live = typeof liveAnswer extends Decoder<infer T> ? T : never;
export type LiveSession = Live["sessions"][number];

export const liveReport: Report<Live> = {
  key: ["live"],
  question: () => ({ path: "live", query: {}, decode: liveAnswer }),
};
