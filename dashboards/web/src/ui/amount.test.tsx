// Money is short to read and exact underneath, and no price is not zero.
import { render, screen } from "@testing-library/react";
import { expect, test } from "vitest";
import { parseUsd } from "../lib/money";
import { Amount, AmountOf } from "./amount";

test("the title and the value hold all twelve decimals", () => {
  render(<Amount of={parseUsd("12.345678901234")} />);

  const amount = screen.getByText("$12.35");
  expect(amount).toHaveAttribute("title", "12.345678901234 USD");
  expect(amount).toHaveAttribute("value", "12.345678901234");
});

test.each([
  [{ amount_usd: parseUsd("0"), requests: 2, unrated_requests: 2 }, "no price"],
  [{ amount_usd: parseUsd("0"), requests: 2, unrated_requests: 1 }, "$0.00"],
  [{ amount_usd: parseUsd("0"), requests: 0, unrated_requests: 0 }, "$0.00"],
  [{ amount_usd: parseUsd("0.5"), requests: 2, unrated_requests: 2 }, "$0.500000"],
])("sums %# read as %s", (sums, shown) => {
  render(<AmountOf sums={sums} />);

  expect(screen.getByText(shown)).toBeVisible();
});
