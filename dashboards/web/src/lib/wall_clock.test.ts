// A budget's midnight is its zone's.
import { expect, test } from "vitest";
import { formatWallClock } from "./wall_clock";

test.each([
  ["2026-11-21T23:00:00Z", "Europe/Berlin", "Sun 22 Nov, 00:00"],
  ["2026-07-31T22:00:00Z", "Europe/Berlin", "Sat 1 Aug, 00:00"],
  ["2026-11-22T05:00:00Z", "America/New_York", "Sun 22 Nov, 00:00"],
  ["2026-11-22T00:00:00Z", "UTC", "Sun 22 Nov, 00:00"],
  ["2026-11-22T00:00:00Z", "Nowhere/Atall", "Sun 22 Nov, 00:00 UTC"],
])("%s in %s is %s", (at, zone, shown) => {
  expect(formatWallClock(Date.parse(at), zone)).toBe(shown);
});
