// The chart adds up to the points it was given.
import { expect, test } from "vitest";
import { exactUsd, parseUsd, sumUsd } from "./money";
import { ColourSlots, OTHER_KEY, SERIES_MAX, stackSpend, type SpendPoint } from "./series";

const WINDOW = { since: Date.parse("2026-11-21T10:00:00Z"), until: Date.parse("2026-11-21T13:00:00Z") };

function point(at: string, key: string, amount: string): SpendPoint {
  return { at: Date.parse(at), key, amount: parseUsd(amount) };
}

test("gaps are zero, the largest series comes first, and rows add up to the total", () => {
  const stack = stackSpend(
    [
      point("2026-11-21T10:00:00Z", "deepgram", "0.1"),
      point("2026-11-21T12:00:00Z", "openai", "0.7"),
      point("2026-11-21T12:00:00Z", "deepgram", "0.2"),
    ],
    WINDOW,
    "hour",
  );

  expect(stack.series.map((one) => [one.key, exactUsd(one.total)])).toEqual([
    ["openai", "0.700000000000"],
    ["deepgram", "0.300000000000"],
  ]);
  expect(stack.rows.map((row) => row.amounts.map(exactUsd))).toEqual([
    ["0.000000000000", "0.100000000000"],
    ["0.000000000000", "0.000000000000"],
    ["0.700000000000", "0.200000000000"],
  ]);
  expect(sumUsd(stack.rows.map((row) => row.total))).toBe(stack.total);
});

test("points outside the window are not drawn and not counted", () => {
  const stack = stackSpend(
    [point("2026-11-21T09:59:59Z", "openai", "5"), point("2026-11-21T13:00:00Z", "openai", "5")],
    WINDOW,
    "hour",
  );

  expect(stack.series).toEqual([]);
  expect(exactUsd(stack.total)).toBe("0.000000000000");
});

test("keys beyond the palette are folded without losing a cent", () => {
  const points = Array.from({ length: 12 }, (_, index) => point("2026-11-21T11:00:00Z", `model-${index}`, `0.${index + 10}`));

  const stack = stackSpend(points, WINDOW, "hour");

  expect(stack.series).toHaveLength(SERIES_MAX);
  expect(stack.series.at(-1)?.key).toBe(OTHER_KEY);
  expect(stack.total).toBe(sumUsd(points.map((one) => one.amount)));
  expect(sumUsd(stack.rows.map((row) => row.total))).toBe(stack.total);
});

test("a key keeps its colour when others come and go", () => {
  const slots = new ColourSlots();

  expect(slots.slotsFor(["openai"])).toEqual([0]);
  expect(slots.slotsFor(["deepgram", "openai"])).toEqual([1, 0]);
  expect(slots.slotsFor(["cartesia", OTHER_KEY, "deepgram"])).toEqual([0, SERIES_MAX, 1]);
});

test("no two series on screen share a colour, however many came before", () => {
  const slots = new ColourSlots();
  for (let round = 0; round < 20; round += 1) {
    const keys = Array.from({ length: SERIES_MAX }, (_, index) => `model-${round * 3 + index}`);

    expect(new Set(slots.slotsFor(keys)).size).toBe(SERIES_MAX);
  }
});
