// Counts, shares and usage read the same everywhere.
import { expect, test } from "vitest";
import { formatCount, formatPerMille, formatUsage, plural, shortId, usageDetail } from "./format";

test("counts are grouped and nouns agree", () => {
  expect(formatCount(1_234_567)).toBe("1,234,567");
  expect(plural(1, "request")).toBe("1 request");
  expect(plural(0, "request")).toBe("0 requests");
  expect(plural(2, "entry", "entries")).toBe("2 entries");
});

test("shares keep one decimal", () => {
  expect(formatPerMille(333)).toBe("33.3%");
  expect(formatPerMille(1000)).toBe("100.0%");
  expect(formatPerMille(4)).toBe("0.4%");
});

test("usage names only the meters that counted something", () => {
  expect(formatUsage({ audio_sent_ms: 187_000, socket_open_ms: 200_000, requests: 2 })).toBe("3 m 07 s audio");
  expect(formatUsage({ input_tokens: 12_400, cache_read_tokens: 900, output_tokens: 380 })).toBe("12.4K tokens in · 380 out");
  expect(formatUsage({ characters_sent: 1_500, characters_failed: 0 })).toBe("1.5K characters");
  expect(formatUsage({ requests: 4 })).toBe("");
});

test("the detail lists every meter exactly", () => {
  expect(usageDetail({ output_tokens: 5, input_tokens: 12_400 })).toBe("input_tokens: 12,400\noutput_tokens: 5");
});

test("short ids keep both ends", () => {
  expect(shortId("019a5f3c-aaaa-7000-8000-00000077b2c1")).toBe("019a5f3c-…77b2c1");
  expect(shortId("AJ_7fGh2kQ")).toBe("AJ_7fGh2kQ");
});
