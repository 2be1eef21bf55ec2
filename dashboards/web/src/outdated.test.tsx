// A tab that outlived its controller's version asks for files that are gone.
import { render, screen } from "@testing-library/react";
import { userEvent } from "@testing-library/user-event";
import { expect, test, vi } from "vitest";
import { App } from "./app";
import { beSignedIn, fakeApi } from "./testing/fake_api";

vi.mock("./charts/spend_bars", () => ({ SpendBars: () => <p>chart</p> }));
vi.mock("./pages/budgets", () => {
  throw new TypeError("Failed to fetch dynamically imported module");
});

test("a page whose part is gone says to reload, and the others stand", async () => {
  beSignedIn();
  fakeApi();
  render(<App />);

  await userEvent.click(await screen.findByRole("link", { name: "Budgets" }));
  expect(await screen.findByRole("alert")).toHaveTextContent("This page could not be loaded.");

  await userEvent.click(screen.getByRole("link", { name: "Overview" }));
  expect(await screen.findByRole("group", { name: "Spend, today" })).toBeVisible();
});
