// Months follow each other, and of the runs of a month the newest counts.
import { expect, test } from "vitest";
import { monthAfter } from "./books";
import { lastDone, newestOfMonths, type Run } from "./reconciliations";

test("the month after", () => {
  expect(monthAfter("2026-09")).toBe("2026-10");
  expect(monthAfter("2026-12")).toBe("2027-01");
});

function run(number: number, provider: string, month: string, isDone = true): Run {
  return { number, provider, month, report: isDone ? {} : null } as unknown as Run;
}

test("the newest run of each vendor and month, the latest months first", () => {
  const runs = [run(5, "openai", "2026-10", false), run(4, "openai", "2026-11"), run(3, "openai", "2026-10"), run(2, "deepgram", "2026-10")];

  expect(newestOfMonths(runs).map(({ number }) => number)).toEqual([4, 2, 5]);
  expect(runs.map((each) => lastDone(runs, each)?.number)).toEqual([3, undefined, undefined, undefined]);
});
