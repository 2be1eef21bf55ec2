// Bars begin where the one before ended, and the last ends where the difference does.
import { expect, test } from "vitest";
import { parseUsd } from "./money";
import { waterfallOf } from "./waterfall";

const of = (...amounts: string[]) => waterfallOf(amounts.map(parseUsd));

test("parts above and below nothing", () => {
  expect(of("3", "-4", "2")).toEqual({
    zero: 250,
    bars: [
      { from: 250, to: 1_000 },
      { from: 0, to: 1_000 },
      { from: 0, to: 500 },
    ],
    whole: { from: 250, to: 500 },
    sum: parseUsd("1"),
  });
});

test("sums are exact where a double's would not be", () => {
  expect(of("0.1", "0.2", "-0.300000000001").sum).toBe(parseUsd("-0.000000000001"));
});

test("nothing differs", () => {
  expect(of("0").whole).toEqual({ from: 0, to: 0 });
  expect(of()).toMatchObject({ bars: [], sum: 0n });
});
