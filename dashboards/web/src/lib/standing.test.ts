// A budget's word is its state's, and its bar is never longer than itself.
import { describe, expect, test } from "vitest";
import { parseUsd } from "./money";
import { barOf, standingOf, type Stands } from "./standing";

const BUDGET: Stands & { readonly reserved_usd: ReturnType<typeof parseUsd> | null } = {
  state: "ok",
  window: "day",
  action: "block",
  thresholds: [50, 80, 100],
  amount_usd: parseUsd("10"),
  spent_usd: parseUsd("1"),
  reserved_usd: parseUsd("0.5"),
};

describe("standing", () => {
  test.each([
    [{}, "good", "ok"],
    [{ spent_usd: parseUsd("4.999999999") }, "good", "ok"],
    [{ spent_usd: parseUsd("5") }, "good", "50% reached"],
    [{ spent_usd: parseUsd("5"), thresholds: [50, 100] }, "warn", "50% reached"],
    [{ spent_usd: parseUsd("9.99") }, "warn", "80% reached"],
    [{ spent_usd: parseUsd("9.99"), thresholds: [] }, "good", "ok"],
    [{ state: "exhausted", spent_usd: parseUsd("9.99999") }, "bad", "exhausted"],
    [{ state: "over", action: "warn", spent_usd: parseUsd("12") }, "warn", "over"],
    [{ state: "learning" }, "neutral", "learning"],
    [{ spent_usd: null }, "neutral", "unknown"],
    [{ spent_usd: null, window: "session" }, "neutral", "each call"],
  ] as const)("%o is %s: %s", (changes, tone, word) => {
    expect(standingOf({ ...BUDGET, ...changes })).toMatchObject({ tone, word });
  });

  test("an exhausted budget says what that does", () => {
    expect(standingOf({ ...BUDGET, state: "exhausted" }).meaning).toBe("New requests are refused until the reset.");
  });
});

describe("bar", () => {
  test("spent, then reserved, with a mark at each threshold within", () => {
    expect(barOf(BUDGET)).toEqual({ spent: 100, held: 150, marks: [500, 800] });
  });

  test("thresholds beyond the amount make it longer, and mark the amount", () => {
    expect(barOf({ ...BUDGET, thresholds: [50, 200], spent_usd: parseUsd("15") })).toEqual({
      spent: 750,
      held: 775,
      marks: [250, 500],
    });
  });

  test("more than its length is its length", () => {
    expect(barOf({ ...BUDGET, spent_usd: parseUsd("99") })).toMatchObject({ spent: 1000, held: 1000 });
  });

  test("what nobody knows is nothing", () => {
    expect(barOf({ ...BUDGET, spent_usd: null, reserved_usd: null })).toMatchObject({ spent: 0, held: 0 });
  });
});
