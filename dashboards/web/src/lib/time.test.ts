// Windows begin where the label says, and times carry their zone.
import { describe, expect, test } from "vitest";
import {
  bucketStarts,
  chartWindow,
  DAY_MS,
  formatClock,
  formatDay,
  formatDuration,
  formatInstant,
  HOUR_MS,
  MINUTE_MS,
  parseInstant,
  periodStart,
  startOfDay,
  toRfc3339,
  zoneName,
} from "./time";

const NOW = Date.parse("2026-11-21T14:03:07.250Z");

test("today starts at midnight UTC when the zone is UTC", () => {
  expect(toRfc3339(periodStart("today", NOW, "utc"))).toBe("2026-11-21T00:00:00.000Z");
});

test("today starts at the browser's midnight when the zone is local", () => {
  const start = new Date(startOfDay(NOW, "local"));

  expect([start.getHours(), start.getMinutes(), start.getSeconds(), start.getMilliseconds()]).toEqual([0, 0, 0, 0]);
  expect(NOW - start.getTime()).toBeLessThan(DAY_MS + HOUR_MS);
});

test("the last day and week are whole hours, the running one included", () => {
  expect(toRfc3339(periodStart("24h", NOW, "utc"))).toBe("2026-11-20T15:00:00.000Z");
  expect(toRfc3339(periodStart("7d", NOW, "utc"))).toBe("2026-11-14T15:00:00.000Z");
});

describe("buckets", () => {
  test("the minute chart holds sixty buckets, the running one last", () => {
    const starts = bucketStarts(chartWindow("minute", "7d", NOW, "utc"), "minute");

    expect(starts).toHaveLength(60);
    expect(toRfc3339(starts.at(-1) ?? 0)).toBe("2026-11-21T14:03:00.000Z");
  });

  test("the hour chart of today holds each hour begun since midnight", () => {
    const starts = bucketStarts(chartWindow("hour", "today", NOW, "utc"), "hour");

    expect(starts).toHaveLength(15);
    expect(starts[1]).toBe((starts[0] ?? 0) + HOUR_MS);
  });

  test("an absurd window is cut at its old end", () => {
    const starts = bucketStarts({ since: 0, until: NOW }, "minute");

    expect(starts).toHaveLength(744);
    expect(starts.at(-1)).toBeGreaterThan(NOW - 2 * MINUTE_MS);
  });
});

describe("parseInstant", () => {
  test("reads UTC and offsets as the same instant", () => {
    expect(parseInstant("2026-11-21T14:03:07.250Z")).toBe(NOW);
    expect(parseInstant("2026-11-21T15:03:07.250+01:00")).toBe(NOW);
    expect(parseInstant("2026-11-21T14:03:07.250123+00:00")).toBe(NOW);
  });

  test.each(["", "2026-11-21", "2026-11-21T14:03:07", "yesterday", "2026-13-41T99:00:00Z"])("refuses %j", (text) => {
    expect(() => parseInstant(text)).toThrow(RangeError);
  });
});

test("times are written in 24 hours with their zone", () => {
  expect(formatClock(NOW, "utc", "second")).toBe("14:03:07");
  expect(formatClock(NOW, "utc", "minute")).toBe("14:03");
  expect(formatDay(NOW, "utc")).toBe("21 Nov");
  expect(formatInstant(NOW, "utc")).toBe("21 Nov 2026, 14:03:07 UTC");
  expect(formatClock(Date.parse("2026-11-21T00:00:00Z"), "utc", "minute")).toBe("00:00");
  expect(zoneName("utc", NOW)).toBe("UTC");
  expect(zoneName("local", NOW)).toContain("(");
});

test.each([
  [-5, "0 ms"],
  [849.6, "850 ms"],
  [12_900, "12 s"],
  [187_000, "3 m 07 s"],
  [7_500_000, "2 h 05 m"],
])("%d ms reads as %s", (ms, shown) => {
  expect(formatDuration(ms)).toBe(shown);
});
