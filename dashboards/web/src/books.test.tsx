// The books' page, as a viewer meets it.
import { render, screen, within } from "@testing-library/react";
import { userEvent } from "@testing-library/user-event";
import { beforeEach, expect, test, vi } from "vitest";
import { App } from "./app";
import { beSignedIn, fakeApi, problem } from "./testing/fake_api";

const PART = { category: "missing_spans", amount_usd: "0.300000000001", confidence: "certain", cells: 2, reason: "", quantity: null };
const REPORT = {
  vendor_usd: "10.000000000001", ours_usd: "9.8", difference_usd: "0.200000000001", drift_usd: "0.300000000001",
  unexplained_usd: "0", threshold: "0.5%", is_within: false, is_derived: false, settled_until: "2026-11-01",
  catalog_version: "abc", cells: 40, notes: ["3 spans were not rated yet"],
  parts: [PART, { ...PART, category: "credits", amount_usd: "-0.1", cells: 1 }],
};
const RUN = {
  number: 7, provider: "openai", month: "2026-10", source: "api", is_nightly: true, actor: "nightly", state: "done", step: "",
  error: "", error_code: "", started_at: "2026-11-21T03:00:00Z", finished_at: "2026-11-21T03:00:09Z", report: REPORT, accepted: null,
};
const FAILED = { ...RUN, number: 8, state: "failed", error: "OpenAI refuses the key", report: null };
const CELL = {
  position: 0, category: "usage", day: "2026-10-09", key_id: "3f2a", model: "gpt-4.1-mini", meter: "input_tokens", context: {},
  project: "acme", skus: [], vendor_quantity: "1200", our_quantity: "1000", vendor_requests: 3, our_requests: 2,
  vendor_usd: "0.4", ours_usd: "0.099999999999", difference_usd: "0.300000000001", is_derived: false, notes: [],
  parts: [{ ...PART, reason: "one request of the vendor's is not ours" }],
};
const COMPARISON = {
  before: 6, after: 7, vendor_change_usd: "0.5", ours_change_usd: "-0.1", is_complete: true, cells: [],
  parts: [{ category: "missing_spans", before_usd: "0", after_usd: "0.300000000001" }],
};
const MONTH = {
  month: "2026-10", is_closed: true, entries: 1200, amount_usd: "9.8", late_entries: 3, pending_spans: 0,
  closed_at: "2026-11-05T09:00:00Z", closed_by: "finance", reason: "agreed",
};
const BALANCE = {
  since: "2026-10", until: "2026-11", debit_usd: "9.8", credit_usd: "9.8", difference_usd: "0",
  accounts: [
    { name: "cost:acme", debit_usd: "9.8", credit_usd: "0", balance_usd: "9.8" },
    { name: "accrued:openai", debit_usd: "0", credit_usd: "9.8", balance_usd: "-9.8" },
  ],
};
const CORRECTION = {
  id: "0d1b6f6e-5a55-5f5e-9d39-000000000001", kind: "rerate", reason: "nova-3 was too dear", actor: "ops",
  created_at: "2026-11-20T10:00:00Z", reverses: null, entries: 12, amount_usd: "-1.25",
};
const COUNTED = {
  provider: "deepgram", model: "nova-3", modality: "stt", meter: "audio_sent_ms", source: "plugin", requests: 3, agreeing: 2,
  ours: "1234567", theirs: "1300000", findings: { socket_time: 1 },
};
const BOOKS = {
  reconciliations: { reconciliations: [FAILED, RUN], next: null },
  "reconciliations/7": RUN,
  "reconciliations/7/cells": { cells: [CELL] },
  "reconciliations/7/compare": COMPARISON,
  "ledger/periods": { periods: [MONTH] },
  "ledger/balance": BALANCE,
  "ledger/corrections": { corrections: [CORRECTION] },
  validation: {
    since: "2026-11-14T00:00:00Z", until: "2026-11-22T00:00:00Z", rows: [COUNTED],
    meaning: { socket_time: "the plugin counts how long its socket was open" },
  },
};

beforeEach(() => {
  beSignedIn();
  location.hash = "#page=books";
});

async function tableOf(name: string): Promise<HTMLElement> {
  return screen.findByRole("table", { name });
}

function exactIn(within: HTMLElement): string[] {
  return [...within.querySelectorAll("data")].map((amount) => amount.value);
}

test("months, accounts, corrections and counts are the API's", async () => {
  const asked = fakeApi(BOOKS);
  render(<App />);

  expect(await tableOf("Months of the books")).toHaveTextContent(/2026-10 closed.*1,200.*3.*\$9\.80/);
  expect(await screen.findByText("balanced")).toBeVisible();
  expect(exactIn(await tableOf("Accounts")).slice(-3)).toEqual(["9.800000000000", "9.800000000000", "0.000000000000"]);
  expect(await tableOf("Corrections of the books")).toHaveTextContent(/rerate nova-3 was too dear.*ops.*12.*−\$1\.25/);
  expect(await tableOf("Our counts beside others'")).toHaveTextContent(/nova-3.*1,234,567.*1,300,000.*66\.6%.*1 socket time/);
  expect(screen.getByText("the plugin counts how long its socket was open")).toBeVisible();
  expect(asked.find(({ query }) => query.since === "2026-10")?.query).toEqual({ since: "2026-10", until: "2026-11" });
});

test("books that do not balance say by how much", async () => {
  fakeApi({ ...BOOKS, "ledger/balance": { ...BALANCE, credit_usd: "9.7", difference_usd: "0.1" } });
  render(<App />);

  expect(await screen.findByText("does not balance")).toBeVisible();
});

test("a month whose newest run failed says why and leads to the last that did not", async () => {
  fakeApi(BOOKS);
  render(<App />);

  const table = await tableOf("The newest reconciliation of each vendor and month");
  expect(table).toHaveTextContent("OpenAI refuses the key");
  await userEvent.click(within(table).getByRole("link", { name: /Last that came to an end/ }));

  const falls = await tableOf("Why the amounts differ");
  expect(exactIn(falls)).toEqual(["0.300000000001", "-0.100000000000", "0.200000000001"]);
  expect(falls).toHaveTextContent("Use that the vendor saw and no span of ours tells of.");
  expect(screen.getByText("over 0.5%")).toBeVisible();
  expect(screen.getByText("3 spans were not rated yet")).toBeVisible();
  expect(await tableOf("The cells that differ most")).toHaveTextContent(/gpt-4\.1-mini · input_tokens.*one request of the vendor's/);
  expect(exactIn(await tableOf("Parts that changed"))).toEqual(["0.000000000000", "0.300000000001"]);
});

test("the report is handed over as a file, and why it is not is said", async () => {
  location.hash = "#page=books&id=7";
  const made = vi.fn(() => "blob:x");
  vi.stubGlobal("URL", Object.assign(URL, { createObjectURL: made, revokeObjectURL: vi.fn() }));
  const click = vi.spyOn(HTMLAnchorElement.prototype, "click").mockReturnValue();
  let answer: () => Response = () => new Response("<!doctype html>");
  fakeApi({ ...BOOKS, "reconciliations/7/report.html": () => answer() });
  render(<App />);
  const button = await screen.findByRole("button", { name: "Download the report (HTML)" });

  await userEvent.click(button);
  await vi.waitFor(() => {
    expect(click).toHaveBeenCalledOnce();
  });

  answer = () => problem(503, "postgres does not answer");
  await userEvent.click(button);
  expect(await screen.findByText("Postgres does not answer")).toBeVisible();
});

test("the first run of a month has nothing to be compared with, and parts that do not add up are an alarm", async () => {
  location.hash = "#page=books&id=7";
  fakeApi({
    ...BOOKS,
    "reconciliations/7": { ...RUN, report: { ...REPORT, difference_usd: "0.2" } },
    "reconciliations/7/compare": () => problem(409, "7 is the first reconciliation of openai in 2026-10"),
  });
  render(<App />);

  expect(await screen.findByText("There is nothing to compare with")).toBeVisible();
  expect(screen.getByText(/which is not the difference/)).toBeVisible();
});

test("empty books say what to do", async () => {
  fakeApi({
    ...BOOKS,
    reconciliations: { reconciliations: [], next: null },
    "ledger/periods": { periods: [] },
    "ledger/corrections": { corrections: [] },
  });
  render(<App />);

  expect(await screen.findByText(/voicegw reconcile openai --month/)).toBeVisible();
  expect(await screen.findByText("Nothing is booked yet")).toBeVisible();
  expect(await screen.findByText("Nothing was corrected")).toBeVisible();
});

test("a token of some projects is told so, and sees how it was counted", async () => {
  const forbidden = () => problem(403, "the books are the whole organisation's");
  fakeApi({ ...BOOKS, "ledger/periods": forbidden, "ledger/balance": forbidden, "ledger/corrections": forbidden, reconciliations: forbidden });
  render(<App />);

  expect(await screen.findByText(/This token reaches some projects only/)).toBeVisible();
  expect(await tableOf("Our counts beside others'")).toBeVisible();
  expect(screen.queryByText("Trial balance")).toBeNull();
});
