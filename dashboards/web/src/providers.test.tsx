// The vendors' page, as a viewer and an operator meet it.
import { render, screen, within } from "@testing-library/react";
import { userEvent } from "@testing-library/user-event";
import { beforeEach, expect, test } from "vitest";
import { App } from "./app";
import { beSignedIn, fakeApi, problem } from "./testing/fake_api";

const TARGET = {
  provider: "openai", model: "gpt-4.1-mini", modality: "llm", account: "3f2a", region: "", state: "closed", cause: "",
  since: null, retry_ms: 0, is_degraded: false, ttfb_p50_ms: 316, ttfb_p95_ms: 1259, samples: 60,
};
const HEALTH = {
  is_live: true,
  may_switch: true,
  targets: [
    TARGET,
    { ...TARGET, provider: "deepgram", model: "nova-3", modality: "stt", state: "open", cause: "errors",
      since: "2026-11-21T13:00:00Z", retry_ms: 4_000, ttfb_p50_ms: 0, ttfb_p95_ms: 0 },
    { ...TARGET, model: "gpt-4.1", is_degraded: true },
  ],
  disabled: [{ provider: "cartesia", model: "", until: null, reason: "no contract" }],
};

beforeEach(() => {
  beSignedIn();
  location.hash = "#page=providers";
});

async function rowsOf(name: string): Promise<HTMLElement[]> {
  const table = await screen.findByRole("table", { name });
  return within(table).getAllByRole("row").slice(1);
}

test("trouble comes first, with its reason", async () => {
  fakeApi({ "providers/health": HEALTH });
  render(<App />);

  const rows = await rowsOf("Vendors and how they fare");

  expect(rows.map((row) => row.textContent)).toEqual([
    expect.stringMatching(/nova-3.*not asked.*it fails.*again in 4/),
    expect.stringMatching(/gpt-4\.1openai.*slow/),
    expect.stringMatching(/gpt-4\.1-mini.*asked.*316 ms.*1,259 ms/),
  ]);
});

test("an operator switches a model off for an hour, and a vendor on", async () => {
  const asked = fakeApi({
    "providers/health": HEALTH,
    "providers/deepgram/disabled": {},
    "providers/cartesia/disabled": problem(404, "cartesia is not switched off"),
  });
  render(<App />);
  const user = userEvent.setup();

  await user.click(await screen.findByRole("button", { name: "Switch off: nova-3" }));
  await user.click(screen.getByRole("button", { name: "Switch off" }));
  await user.click(await screen.findByRole("button", { name: "Switch on: cartesia" }));

  expect(await screen.findByText("Cartesia is not switched off")).toBeVisible();
  expect(asked.filter(({ path }) => path.endsWith("/disabled"))).toEqual([
    expect.objectContaining({
      path: "providers/deepgram/disabled",
      order: { model: "nova-3", for_s: 3_600, reason: "switched off from the dashboard" },
    }),
    expect.objectContaining({ path: "providers/cartesia/disabled", method: "DELETE" }),
  ]);
});

test("what is switched off is said to be, whatever its breaker says", async () => {
  fakeApi({
    "providers/health": { ...HEALTH, disabled: [{ provider: "openai", model: "gpt-4.1", until: null, reason: "" }] },
  });
  render(<App />);

  const rows = await rowsOf("Vendors and how they fare");

  expect(rows.map((row) => row.textContent.includes("switched off"))).toEqual([false, true, false]);
});

test("a viewer is offered no switch", async () => {
  fakeApi({ "providers/health": { ...HEALTH, may_switch: false } });
  render(<App />);

  await rowsOf("Vendors and how they fare");

  expect(screen.queryByRole("button", { name: /Switch/ })).toBeNull();
});
