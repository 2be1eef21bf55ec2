// A link leads to its page, and anything else to the overview.
import { expect, test } from "vitest";
import { linkTo, pageOf } from "./page";

test.each([
  ["", "overview"],
  ["#", "overview"],
  ["#page=overview", "overview"],
  ["#page=budgets", "budgets"],
  ["#page=providers", "providers"],
  ["#other=1&page=budgets", "budgets"],
  ["#page=constructor", "overview"],
  ["#page=nowhere", "overview"],
])("%j shows the %s", (fragment, page) => {
  expect(pageOf(fragment)).toBe(page);
});

test("what a link says is what is shown", () => {
  expect(pageOf(linkTo("budgets"))).toBe("budgets");
  expect(pageOf(linkTo("overview"))).toBe("overview");
});
