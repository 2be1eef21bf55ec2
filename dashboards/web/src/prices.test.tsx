// The prices' page and one call, as a viewer meets them.
import { render, screen, within } from "@testing-library/react";
import { userEvent } from "@testing-library/user-event";
import { beforeEach, expect, test, vi } from "vitest";
import { App } from "./app";
import { beSignedIn, fakeApi, problem } from "./testing/fake_api";

vi.mock("./charts/spend_bars", () => ({ SpendBars: () => <p>chart</p> }));

const PRICE = {
  price_id: "deepgram/nova-3", provider: "deepgram", model: "nova-3", modality: "stt", meter: "audio_sent_ms", layer: "builtin",
  scope: "", amount: "0.0048", currency: "USD", per: "1 minute", list_amount: "0.0077", credit_price: null, multiplier: "1",
  discount: null, tiers: null, when: { mode: "streaming" }, effective_from: null, effective_to: null, recorded_by: "", reason: "",
  source: { url: "https://deepgram.com/pricing", read_on: "2026-08-20", via: "" }, confidence: "certain", note: "",
  verified_on: "2026-08-20", verified_days: 94, is_stale: true, overridden_by: [],
};
const CREDITS = {
  ...PRICE, price_id: "elevenlabs/flash", provider: "elevenlabs", model: "flash", modality: "tts", layer: "account", scope: "*",
  amount: "0.5", currency: "credits", per: "1 character", list_amount: null, when: {}, is_stale: false, verified_days: 2,
  credit_price: { plan: "scale", amount: "330", credits: 2_000_000 }, effective_from: "2026-10-01T00:00:00Z",
  source: { url: "javascript:alert(1)", read_on: "2026-11-20", via: "" },
};
const LINE = { meter: "input_tokens", kind: "usage", revision: 0, quantity: 1_234, billed_quantity: 1_234, amount_usd: "0.5",
  price_id: "x", unrated_reason: null };
const ITEM = {
  request_id: "r1", project: "support", part: "llm", provider: "openai", model: "gpt-4.1-mini", started_at: "2026-11-21T13:00:07Z",
  ended_at: "2026-11-21T13:00:09Z", outcome: "ok", direction: "", amount_usd: "0.400000000001", is_estimated: false,
  is_unrated: false, is_corrected: true, lines: [LINE, { ...LINE, kind: "rerate", revision: 1, quantity: -34, billed_quantity: -34 }],
};
const CALL = {
  session_id: "session-ended", projects: ["support"], agent: "front-desk", room: "room-1", started_at: "2026-11-21T13:00:00Z",
  ended_at: "2026-11-21T13:02:05Z", is_live: false, requests: 2, estimated_requests: 0, unrated_requests: 1, corrected_requests: 1,
  total_usd: "0.400000000001",
  parts: [{ part: "llm", requests: 1, amount_usd: "0.400000000001" }, { part: "tts", requests: 1, amount_usd: "0" }],
  items: [ITEM, { ...ITEM, request_id: "r2", part: "tts", model: "voice-9", amount_usd: "0", is_unrated: true, is_corrected: false,
    lines: [{ ...LINE, meter: "characters_sent", unrated_reason: "no_price" }] }],
  left_out: 0, pending: 1, open_legs: [], so_far_usd: "0.400000000001",
};

beforeEach(() => {
  beSignedIn();
});

test("prices come from all pages, are said as published, and are found by provider", async () => {
  location.hash = "#page=prices";
  const page = { revision: 1, version: "abc", total: 2 };
  fakeApi({
    prices: (url) =>
      url.searchParams.get("cursor") === null ? { ...page, prices: [PRICE], next: "1" } : { ...page, prices: [CREDITS], next: null },
  });
  render(<App />);

  const table = await screen.findByRole("table", { name: "Prices that hold" });
  const rows = within(table).getAllByRole("row").slice(1);
  expect(rows[0]).toHaveTextContent(/nova-3.*mode: streaming.*\$0\.0048 per 1 minutepromotional: the list says 0\.0077.*94 days old/);
  expect(rows[1]).toHaveTextContent(/flash.*contract.*0\.5 credits per 1 character\$330 for 2,000,000 credits \(scale\)since 1 Oct 2026/);
  expect(within(table).getAllByRole("link").map((link) => link.getAttribute("href"))).toEqual(
    ["https://deepgram.com/pricing", "https://deepgram.com/pricing"],
  );

  await userEvent.selectOptions(screen.getByLabelText("Provider"), "elevenlabs");
  expect(within(table).getAllByRole("row")).toHaveLength(2);
  await userEvent.click(screen.getByLabelText("Not read for 60 days"));
  expect(screen.getByText("No price is like that")).toBeVisible();
});

test("a call of the overview's list opens with its parts and timeline", async () => {
  fakeApi({ "sessions/session-ended": CALL });
  render(<App />);

  await userEvent.click(await screen.findByRole("link", { name: "session-ended" }));

  const parts = await screen.findByRole("table", { name: "What each part of the call cost" });
  expect([...parts.querySelectorAll("data")].map((each) => each.value)).toEqual(
    ["0.400000000001", "0.000000000000", "0.400000000001"],
  );
  const rows = within(await screen.findByRole("table", { name: "Requests and legs of the call" })).getAllByRole("row").slice(1);
  expect(rows.map((row) => row.textContent)).toEqual([
    expect.stringMatching(/^0:07\.0llm gpt-4\.1-mini.*1,200 input tokens.*\$0\.400000.*corrected/),
    expect.stringMatching(/tts voice-9.*no price.*unrated.*no price/),
  ]);
  expect(screen.getByText("1 request arrived and is not rated yet.")).toBeVisible();
});

test("a live call's open legs are in what it cost so far", async () => {
  location.hash = "#page=call&id=session-ended";
  const leg = { part: "telephony", provider: "twilio", model: "inbound", started_at: "2026-11-21T13:00:00Z", ended_at: null,
    duration_ms: 65_000, amount_usd: "0.017", is_unrated: false };
  fakeApi({ "sessions/session-ended": { ...CALL, is_live: true, open_legs: [leg], so_far_usd: "0.417000000001" } });
  render(<App />);

  const parts = await screen.findByRole("table", { name: "What each part of the call cost" });
  expect(parts.querySelector("tfoot data")).toHaveAttribute("value", "0.417000000001");
  expect(await screen.findAllByText("so far")).not.toEqual([]);
});

test("a call that is unknown says so", async () => {
  location.hash = "#page=call&id=gone";
  fakeApi({ "sessions/gone": () => problem(404, "there is no session gone") });
  render(<App />);

  expect(await screen.findByText("There is no session gone")).toBeVisible();
});
