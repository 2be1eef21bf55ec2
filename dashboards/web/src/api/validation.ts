// Our counts beside those of plugins and vendors.
import { count, instant, listOf, mapOf, shape, text, type Decoder } from "./decode";
import type { Report } from "./report";

const row = shape({
  provider: text,
  model: text,
  modality: text,
  meter: text,
  source: text,
  requests: count,
  agreeing: count,
  ours: text,
  theirs: text,
  findings: mapOf(count),
});
const answer = shape({ since: instant, until: instant, rows: listOf(row), meaning: mapOf(text) });

export type Validation = typeof answer extends Decoder<infer T> ? T : never;
export type Counted = Validation["rows"][number];

/** Of the last seven days, those that disagree most first. */
export const validationReport: Report<Validation> = {
  key: ["validation"],
  question: () => ({ path: "validation", query: {}, decode: answer }),
  everyMs: 15_000,
};
