// What a call's requests used, as `voicegw session` says it.
import { expect, test } from "vitest";
import type { CallLine } from "../api/call";
import { ZERO_USD } from "./money";
import { offsetOf, quantityOf } from "./call_words";

function line(meter: string, quantity: number, billed_quantity = quantity, kind = "usage"): CallLine {
  return { meter, kind, revision: 0, quantity, billed_quantity, amount_usd: ZERO_USD, price_id: null, unrated_reason: null };
}

test.each([
  [[line("audio_sent_ms", 12_340), line("requests", 1)], "12.34 s audio sent"],
  [[line("requests", 1)], "1 requests"],
  [[line("participant_ms", 90_000, 120_000)], "1 m 30 s (billed 2 m 00 s)"],
  [[line("input_tokens", 1_234), line("output_tokens", 57)], "1,234 input tokens, 57 output tokens"],
  // A correction that takes the quantity back.
  [[line("input_tokens", 100), line("input_tokens", -40, -40, "adjustment")], "60 input tokens"],
  [[], ""],
])("quantities %#", (lines, words) => {
  expect(quantityOf(lines)).toBe(words);
});

test("offsets from the call's beginning", () => {
  expect(offsetOf(67_340, 0)).toBe("1:07.3");
  expect(offsetOf(5_000, 9_000)).toBe("0:00.0");
  expect(offsetOf(null, 0)).toBe("");
  expect(offsetOf(1, null)).toBe("");
});
