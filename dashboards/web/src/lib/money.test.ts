// Money stays exact from the wire to the screen.
import { describe, expect, it, test } from "vitest";
import { compareUsd, exactUsd, formatUsd, parseUsd, perMille, perUnit, sumUsd, usdForPixels, ZERO_USD } from "./money";

describe("parseUsd", () => {
  test.each([
    ["0", 0n],
    ["0.000000000001", 1n],
    ["12.34", 12_340_000_000_000n],
    ["-0.5", -500_000_000_000n],
    ["999999999999.999999999999", 999_999_999_999_999_999_999_999n],
  ])("reads %s", (text, pico) => {
    expect(parseUsd(text)).toBe(pico);
  });

  test.each(["", "1e-7", ".5", "1.", "1.0000000000001", "NaN", "$1", "1,000", " 1", "0x10"])("refuses %j", (text) => {
    expect(() => parseUsd(text)).toThrow(RangeError);
  });
});

test("an amount survives reading and writing to the last digit", () => {
  for (const text of ["0.000000000001", "0.100000000000", "-3.000000000007", "123456789012.345678901234"]) {
    expect(exactUsd(parseUsd(text))).toBe(text);
  }
});

test("a sum that floating point gets wrong is exact", () => {
  const tenth = parseUsd("0.1");

  expect(exactUsd(sumUsd([tenth, tenth, tenth]))).toBe("0.300000000000");
  expect(sumUsd([])).toBe(ZERO_USD);
});

describe("formatUsd", () => {
  test.each([
    ["0", "$0.00"],
    ["0.004213", "$0.004213"],
    ["0.0042134999", "$0.004213"],
    ["0.0042135", "$0.004214"],
    ["0.000000499999", "<$0.000001"],
    ["0.0000005", "$0.000001"],
    ["0.9999994", "$0.999999"],
    ["0.9999995", "$1.00"],
    ["12.345", "$12.35"],
    ["1234567.891", "$1,234,567.89"],
    ["-0.25", "−$0.250000"],
    ["-1200", "−$1,200.00"],
    ["-0.0000000001", ">−$0.000001"],
  ])("writes %s as %s", (text, shown) => {
    expect(formatUsd(parseUsd(text))).toBe(shown);
  });
});

describe("perUnit", () => {
  it("divides once and rounds half away from zero", () => {
    expect(exactUsd(perUnit(parseUsd("1"), 3) ?? ZERO_USD)).toBe("0.333333333333");
    expect(exactUsd(perUnit(parseUsd("-1"), 6) ?? ZERO_USD)).toBe("-0.166666666667");
  });

  it("has no answer for nothing", () => {
    expect(perUnit(parseUsd("1"), 0)).toBeNull();
  });
});

test("shares are tenths of a percent and never divide by zero", () => {
  expect(perMille(parseUsd("1"), parseUsd("3"))).toBe(333);
  expect(perMille(parseUsd("3"), parseUsd("3"))).toBe(1000);
  expect(perMille(parseUsd("1"), ZERO_USD)).toBe(0);
  expect(perMille(parseUsd("-1"), parseUsd("3"))).toBe(0);
});

test("amounts are ordered beyond the reach of a double", () => {
  const small = parseUsd("9007199254.740992000001");
  const large = parseUsd("9007199254.740992000002");

  expect(compareUsd(small, large)).toBe(-1);
  expect(compareUsd(large, small)).toBe(1);
  expect(compareUsd(large, large)).toBe(0);
});

test("a bar's height is in dollars", () => {
  expect(usdForPixels(parseUsd("0.25"))).toBe(0.25);
});
