// What somebody had to be told, and whether it arrived.
import { count, flag, instant, listOf, optional, shape, text, type Decoder } from "./decode";
import type { Report } from "./report";

// The latest are what a page is opened for; `voicegw alerts` goes further back.
export const ALERTS_MAX = 50;

const delivery = shape({
  channel: text,
  state: text,
  attempts: count,
  next_attempt_at: optional(instant),
  delivered_at: optional(instant),
  last_error: text,
});
const alertsAnswer = shape({
  alerts: listOf(
    shape({
      id: text,
      kind: text,
      severity: text,
      project: text,
      title: text,
      raised_at: instant,
      is_routed: flag,
      deliveries: listOf(delivery),
    }),
  ),
});

export type Alerts = typeof alertsAnswer extends Decoder<infer T> ? T : never;
export type Alert = Alerts["alerts"][number];
export type Delivery = Alert["deliveries"][number];

export const alertsReport: Report<Alerts> = {
  key: ["alerts"],
  question: () => ({ path: "alerts", query: { limit: String(ALERTS_MAX) }, decode: alertsAnswer }),
};
