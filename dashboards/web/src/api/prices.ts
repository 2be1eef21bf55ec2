// The prices that hold, with where each was read and when.
import { count, flag, instant, listOf, mapOf, optional, shape, text, type Decoder } from "./decode";
import type { Question } from "./client";

type Decoded<D> = D extends Decoder<infer T> ? T : never;

const PAGE_ROWS = 1_000;
/** Whoever has more prices than this many pages narrows them on the command line. */
export const PAGES_MAX = 20;

// Amounts stay as they were published: they are read here, never added.
const price = shape({
  price_id: text,
  provider: text,
  model: text,
  modality: text,
  meter: text,
  layer: text,
  scope: text,
  amount: text,
  currency: text,
  per: text,
  list_amount: optional(text),
  credit_price: optional(shape({ plan: text, amount: text, credits: count })),
  multiplier: text,
  discount: optional(text),
  tiers: optional(shape({ kind: text, basis: text, steps: listOf(shape({ above: count, amount: text })) })),
  when: mapOf(text),
  effective_from: optional(instant),
  effective_to: optional(instant),
  recorded_by: text,
  reason: text,
  source: shape({ url: text, read_on: text, via: text }),
  confidence: text,
  note: text,
  verified_on: text,
  verified_days: count,
  is_stale: flag,
  overridden_by: listOf(text),
});
const pageAnswer = shape({ revision: count, version: text, prices: listOf(price), total: count, next: optional(text) });

export type Price = Decoded<typeof price>;
export type PricesPage = Decoded<typeof pageAnswer>;

/** The prices of now; `cursor` is the `next` of the page before. */
export function pricesQuestion(cursor: string | null): Question<PricesPage> {
  const query = { limit: String(PAGE_ROWS), ...(cursor !== null && { cursor }) };
  return { path: "prices", query, decode: pageAnswer, waitMs: 30_000 };
}
