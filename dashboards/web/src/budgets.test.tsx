// The budgets' page and the way to end a call, as an operator meets them.
import { render, screen, within } from "@testing-library/react";
import { userEvent } from "@testing-library/user-event";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { App } from "./app";
import { beSignedIn, CSRF, fakeApi, problem } from "./testing/fake_api";

vi.mock("./charts/spend_bars", () => ({ SpendBars: () => <p>chart</p> }));

const PROJECTION = { at: "2026-11-22T00:00:00+01:00", likely_usd: "30.5", low_usd: "12", high_usd: "41.25" };
const BURN = { burn_last_hour_usd: "1.25", burn_last_day_usd: "0.75" };
const SURE = { sureness: "fair", weeks: 2 };
const BUDGET = {
  id: "acme.day",
  selector: { project: "acme" },
  window: "day",
  window_id: "day:2026-11-21",
  zone: "Europe/Berlin",
  starts_at: "2026-11-21T00:00:00+01:00",
  resets_at: "2026-11-22T00:00:00+01:00",
  action: "block",
  state: "ok",
  thresholds: [50, 80, 100],
  amount_usd: "25.000000001",
  spent_usd: "20.100000000",
  reserved_usd: "0.4",
  left_usd: "4.500000001",
  percent: 80.4,
  holders: 3,
  is_unbacked: false,
  forecast: { ...BURN, ...SURE, runs_out_at: "2026-11-21T18:30:00+01:00", window_end: PROJECTION, month_end: PROJECTION },
};
const STATUS = {
  is_live: true,
  budgets: [
    { ...BUDGET, id: "fleet.total", selector: {}, window: "total", resets_at: null, zone: "UTC", action: "warn", spent_usd: "1",
      forecast: { ...BUDGET.forecast, runs_out_at: null, window_end: null } },
    { ...BUDGET, id: "per-call", window: "session", resets_at: null, spent_usd: null, reserved_usd: null, left_usd: null,
      forecast: null },
    BUDGET,
  ],
  projects: [{ project: "acme", zone: "Europe/Berlin", spent_this_month_usd: "99.5", ...BURN, ...SURE, month_end: PROJECTION }],
  anomalies: [
    { project: "acme", hour: "2026-11-21T13:00:00Z", spent_usd: "9.5", usual_usd: "2", weeks: 4, is_over: true },
  ],
};
const ALERTS = {
  alerts: [
    { id: "a-2", key: "k2", kind: "budget_threshold", severity: "warning", project: "acme", title: "acme.day: 80% is spent",
      details: {}, raised_at: "2026-11-21T13:59:00Z", is_routed: true,
      deliveries: [
        { channel: "slack", state: "delivered", attempts: 1, next_attempt_at: null, delivered_at: "2026-11-21T13:59:01Z", last_error: "" },
        { channel: "webhook", state: "dead", attempts: 12, next_attempt_at: null, delivered_at: null, last_error: "HTTP 500" },
      ] },
    { id: "a-1", key: "k1", kind: "anomaly", severity: "info", project: "", title: "an odd hour", details: {},
      raised_at: "2026-11-20T13:59:00Z", is_routed: true, deliveries: [] },
  ],
  next: null,
};

beforeEach(() => {
  beSignedIn();
});

describe("the page", () => {
  test("a link leads to it, and the overview asks for none of it", async () => {
    const asked = fakeApi();
    render(<App />);
    await screen.findByRole("group", { name: "Spend, today" });
    expect(asked.map((one) => one.path)).not.toContain("budgets/status");

    await userEvent.click(within(screen.getByRole("navigation")).getByRole("link", { name: "Budgets" }));

    expect(await screen.findByText("No budget is declared")).toBeVisible();
    expect(screen.getByText(/voicegw budgets apply budgets.yaml/)).toBeVisible();
    expect(screen.getByText("No alerts")).toBeVisible();
    expect(screen.getByRole("link", { name: "Budgets" })).toHaveAttribute("aria-current", "page");
    expect(screen.queryByRole("group", { name: "Spend, today" })).toBeNull();
  });

  test("each budget is told to the last digit, the fullest first", async () => {
    location.hash = "#page=budgets";
    fakeApi({ "budgets/status": STATUS });
    render(<App />);

    const table = await screen.findByRole("table", { name: "Budgets and how they stand" });
    const [acme, fleet, call] = within(table).getAllByRole("row").slice(1);
    expect(exactIn(acme)).toEqual([
      "20.100000000000", "25.000000001000", "4.500000001000", "0.400000000000", "1.250000000000", "0.750000000000",
      "30.500000000000",
    ]);
    expect(acme).toHaveTextContent("project acme");
    expect(acme).toHaveTextContent("80% reached");
    expect(acme).toHaveTextContent("blocks");
    expect(acme).toHaveTextContent("Sun 22 Nov, 00:00per day, Europe/Berlin");
    expect(acme).toHaveTextContent("Sat 21 Nov, 18:30");
    expect(acme).toHaveTextContent("more than the budget: $30.50 at the reset");
    expect(fleet).toHaveTextContent("the whole fleet");
    expect(fleet).toHaveTextContent("never");
    expect(fleet).toHaveTextContent("not in sight");
    expect(call).toHaveTextContent("each call");
    expect(exactIn(call)).toEqual(["25.000000001000"]);
  });

  test("what a project will come to, and its odd hours", async () => {
    location.hash = "#page=budgets";
    fakeApi({ "budgets/status": STATUS });
    render(<App />);

    const table = await screen.findByRole("table", { name: "This month by project" });
    expect(exactIn(table)).toEqual(["9.500000000000", "99.500000000000", "1.250000000000", "0.750000000000", "30.500000000000"]);
    expect(within(table).getByText(/odd hour/)).toHaveAttribute("title", expect.stringContaining("Sat 21 Nov, 14:00"));
  });

  test("alerts say whether they arrived", async () => {
    location.hash = "#page=budgets";
    const asked = fakeApi({ alerts: ALERTS });
    render(<App />);

    const table = await screen.findByRole("table", { name: "Alerts and their delivery" });
    const [newest, oldest] = within(table).getAllByRole("row").slice(1);
    expect(newest).toHaveTextContent("acme.day: 80% is spent");
    expect(newest).toHaveTextContent("slack: delivered");
    expect(within(table).getAllByText("webhook: given up")[0]).toHaveAttribute("title", "Attempts: 12\nHTTP 500");
    expect(oldest).toHaveTextContent("no channel");
    expect(asked.find((one) => one.path === "alerts")?.query).toEqual({ limit: "50" });
  });

  test("while Redis is away it says what its numbers are", async () => {
    location.hash = "#page=budgets";
    fakeApi({ "budgets/status": { ...STATUS, is_live: false } });
    render(<App />);

    expect(await screen.findByText(/Redis is away/)).toBeVisible();
  });

  test("a controller without budgets says so in its place, and the alerts stand", async () => {
    location.hash = "#page=budgets";
    fakeApi({ "budgets/status": () => problem(503, "Postgres does not answer."), alerts: ALERTS });
    render(<App />);

    expect(await screen.findByText(/The budgets cannot be shown/)).toBeVisible();
    expect(await screen.findByRole("table", { name: "Alerts and their delivery" })).toBeVisible();
  });
});

describe("ending a call", () => {
  const running = { session_id: "AJ_1/x", project: "acme", agent: "desk", room: "room-1", started_at: "2026-11-21T14:00:00Z", amount_usd: "0.5" };
  const live = { calls: 1, workers: 1, sessions: [running], may_end: true };

  test("who may not is not offered it", async () => {
    fakeApi({ live: { ...live, may_end: false } });
    render(<App />);

    await screen.findByTitle("AJ_1/x");
    expect(screen.queryByRole("button", { name: /End call/ })).toBeNull();
  });

  test("is asked once more, and told with the sentence", async () => {
    const asked = fakeApi({ live, "sessions/AJ_1%2Fx/end": {} });
    render(<App />);

    await askToEnd();
    const dialog = within(screen.getByRole("dialog", { name: "End this call?" }));
    await userEvent.type(dialog.getByRole("textbox"), "We close.{Enter}Goodbye. ");
    await userEvent.click(dialog.getByRole("button", { name: "End call" }));

    expect(await screen.findAllByText("ending…")).not.toEqual([]);
    expect(screen.queryByRole("dialog")).toBeNull();
    expect(asked.filter((one) => one.order !== undefined)).toEqual([
      {
        path: "sessions/AJ_1%2Fx/end",
        query: {},
        csrf: CSRF,
        order: { sentence: "We close. Goodbye.", reason: "ended from the dashboard" },
      },
    ]);
  });

  test("keeping it orders nothing", async () => {
    const asked = fakeApi({ live });
    render(<App />);

    await askToEnd();
    await userEvent.click(screen.getByRole("button", { name: "Keep it" }));

    expect(screen.queryByRole("dialog")).toBeNull();
    expect(asked.filter((one) => one.order !== undefined)).toEqual([]);
  });

  test("a refusal stands in the question", async () => {
    fakeApi({ live, "sessions/AJ_1%2Fx/end": () => problem(503, "Redis does not answer.") });
    render(<App />);

    await askToEnd();
    await userEvent.click(screen.getByRole("button", { name: "End call" }));

    expect(await within(screen.getByRole("dialog")).findByText("Redis does not answer.")).toBeVisible();
    expect(screen.getByRole("button", { name: "End call" })).toBeEnabled();
  });
});

/** Phones have the button elsewhere, and jsdom shows both. */
async function askToEnd(): Promise<void> {
  const [button] = await screen.findAllByRole("button", { name: "End call AJ_1/x" });
  if (button !== undefined) await userEvent.click(button);
  await screen.findByRole("dialog");
}

function exactIn(part: HTMLElement | undefined): string[] {
  return [...(part?.querySelectorAll("data") ?? [])].map((amount) => amount.value);
}
