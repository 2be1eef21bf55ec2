// Prices are found by what people know of them, and said as they were published.
import { expect, test } from "vitest";
import type { Price } from "../api/prices";
import { filterPrices, NO_FILTER, publishedAmount, safeAddress } from "./price_filter";

const PRICE: Price = {
  price_id: "deepgram/nova-3/stt/audio_sent_ms",
  provider: "deepgram",
  model: "nova-3",
  modality: "stt",
  meter: "audio_sent_ms",
  layer: "builtin",
  scope: "",
  amount: "0.0077",
  currency: "USD",
  per: "1 minute",
  list_amount: null,
  credit_price: null,
  multiplier: "1",
  discount: null,
  tiers: null,
  when: { mode: "streaming" },
  effective_from: null,
  effective_to: null,
  recorded_by: "",
  reason: "",
  source: { url: "https://deepgram.com/pricing", read_on: "2026-11-01", via: "" },
  confidence: "certain",
  note: "",
  verified_on: "2026-11-01",
  verified_days: 21,
  is_stale: false,
  overridden_by: [],
};
const OF_ACME: Price = { ...PRICE, layer: "project", scope: "acme", is_stale: true };
const OF_KEYS: Price = { ...PRICE, provider: "openai", model: "gpt-4.1", layer: "account", scope: "*" };
const MANAGED: Price = { ...PRICE, layer: "managed" };
const ALL = [PRICE, OF_ACME, OF_KEYS, MANAGED];

test.each([
  [{}, ALL],
  [{ provider: "openai" }, [OF_KEYS]],
  [{ layer: "list" }, [PRICE, MANAGED]],
  [{ layer: "contract" }, [OF_KEYS]],
  [{ layer: "project" }, [OF_ACME]],
  [{ isStale: true }, [OF_ACME]],
  [{ text: " NOVA streaming " }, [PRICE, OF_ACME, MANAGED]],
  [{ text: "nova batch" }, []],
] as const)("%j", (filter, found) => {
  expect(filterPrices(ALL, { ...NO_FILTER, ...filter })).toEqual(found);
});

test("amounts are said as published", () => {
  expect(publishedAmount(PRICE)).toBe("$0.0077 per 1 minute");
  expect(publishedAmount({ ...PRICE, amount: "0.40", per: "1000000 tokens" })).toBe("$0.40 per 1,000,000 tokens");
  expect(publishedAmount({ ...PRICE, amount: "1", currency: "credits", per: "1 character" })).toBe("1 credit per 1 character");
});

test("a source that is no address of the web is no link", () => {
  expect(safeAddress("https://deepgram.com/pricing")).toBe("https://deepgram.com/pricing");
  expect(safeAddress("javascript:alert(1)")).toBeNull();
  expect(safeAddress("the contract of 3 May")).toBeNull();
});
