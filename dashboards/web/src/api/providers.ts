// How vendors fare, and switching them off and on.
import type { Question } from "./client";
import { count, flag, instant, listOf, optional, shape, text, type Decoder } from "./decode";
import type { Report } from "./report";

const target = shape({
  provider: text,
  model: text,
  modality: text,
  account: text,
  region: text,
  state: text,
  cause: text,
  since: optional(instant),
  retry_ms: count,
  is_degraded: flag,
  ttfb_p50_ms: count,
  ttfb_p95_ms: count,
  samples: count,
});
const disabled = shape({ provider: text, model: text, until: optional(instant), reason: text });
const healthAnswer = shape({
  is_live: flag,
  targets: listOf(target),
  disabled: listOf(disabled),
  may_switch: flag,
});

export type ProvidersHealth = typeof healthAnswer extends Decoder<infer T> ? T : never;
export type Target = ProvidersHealth["targets"][number];
export type Disabled = ProvidersHealth["disabled"][number];

export const providersReport: Report<ProvidersHealth> = {
  key: ["providers"],
  question: () => ({ path: "providers/health", query: {}, decode: healthAnswer }),
};

/** An empty model is everything of the vendor; no seconds: until somebody switches it on. */
export function switchOff(provider: string, model: string, forS: number | null): Question<unknown> {
  return {
    path: `providers/${encodeURIComponent(provider)}/disabled`,
    query: {},
    order: { model, for_s: forS, reason: "switched off from the dashboard" },
    decode: shape({}),
  };
}

export function switchOn(provider: string, model: string): Question<unknown> {
  return {
    path: `providers/${encodeURIComponent(provider)}/disabled`,
    query: model === "" ? {} : { model },
    takesAway: true,
    decode: shape({}),
  };
}
