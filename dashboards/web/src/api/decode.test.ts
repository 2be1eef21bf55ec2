// What is not the contract is refused with the place it stands at.
import { describe, expect, test } from "vitest";
import { count, groupKey, instant, listOf, mapOf, optional, shape, text, usd } from "./decode";

const answer = shape({ rows: listOf(shape({ key: groupKey, at: optional(instant), usage: mapOf(count) })) });

test("reads the contract and leaves out what it does not know", () => {
  const row = { key: "openai", at: "2026-11-21T00:00:00Z", usage: { input_tokens: 4 }, colour: "red" };

  expect(answer({ rows: [row] }, "costs")).toEqual({
    rows: [{ key: "openai", at: Date.parse("2026-11-21T00:00:00Z"), usage: { input_tokens: 4 } }],
  });
});

test("null, absent and unnamed values have one reading", () => {
  expect(answer({ rows: [{ key: null, usage: {} }] }, "costs")).toEqual({
    rows: [{ key: "(none)", at: null, usage: {} }],
  });
  expect(groupKey("", "key")).toBe("(none)");
});

describe("refused with its place", () => {
  test.each([
    [{ rows: [{ key: 1, at: null, usage: {} }] }, "costs.rows[0].key is not text"],
    [{ rows: [{ key: "a", at: "2026-11-21", usage: {} }] }, "costs.rows[0].at is not an instant"],
    [{ rows: [{ key: "a", usage: { input_tokens: -1 } }] }, "costs.rows[0].usage.input_tokens is not a count"],
    [{ rows: {} }, "costs.rows is not a list"],
    [[], "costs is not an object"],
    [null, "costs is not an object"],
  ])("%j", (value, message) => {
    expect(() => answer(value, "costs")).toThrow(message);
  });

  test.each([1, 0.1, "0E-12", "1e3", "", null])("%j is no amount", (value) => {
    expect(() => usd(value, "amount_usd")).toThrow("amount_usd is not");
  });

  test.each([1.5, "3", 2 ** 53, Number.NaN])("%j is no count", (value) => {
    expect(() => count(value, "requests")).toThrow("requests is not a count");
  });
});

test("text is text", () => {
  expect(text("nova-3", "model")).toBe("nova-3");
});
