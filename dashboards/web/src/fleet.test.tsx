// The fleet's page.
import { render, screen, within } from "@testing-library/react";
import { userEvent } from "@testing-library/user-event";
import { beforeEach, expect, test } from "vitest";
import { App } from "./app";
import { beSignedIn, fakeApi } from "./testing/fake_api";

const WORKER = {
  id: "w-1", kind: "worker", agent: "support", host: "host-a", pid: 11, shim_version: "0.1.0", agents_version: "1.8.9",
  load_permille: 412, active_jobs: 3, sessions: 0, is_drained: false, is_drain_ordered: false, is_up_to_date: true,
  behind: [], seen_at: "2026-11-21T13:00:00Z",
};
const WORKERS = {
  may_drain: true,
  workers: [
    { ...WORKER, id: "j-1", kind: "job", pid: 12, sessions: 1, load_permille: null, active_jobs: null, is_up_to_date: false, behind: ["limits"] },
    WORKER,
    { ...WORKER, id: "w-2", host: "host-b", pid: 21, load_permille: 1000, is_drained: true, is_drain_ordered: true },
  ],
};

beforeEach(() => {
  beSignedIn();
  location.hash = "#page=fleet";
});

test("workers come first, with their load, and what a process does not know yet", async () => {
  fakeApi({ workers: WORKERS });
  render(<App />);

  const table = await screen.findByRole("table", { name: "Worker and job processes" });

  expect(within(table).getAllByRole("row").slice(1).map((row) => row.textContent)).toEqual([
    expect.stringMatching(/host-a 11.*in service.*41\.2%.*3/),
    expect.stringMatching(/host-b 21.*drained.*100\.0%/),
    expect.stringMatching(/host-a 12.*behind.*–.*1/),
  ]);
});

test("a worker is drained, and one comes back", async () => {
  const asked = fakeApi({ workers: WORKERS, "workers/w-1/drain": {}, "workers/w-2/undrain": {} });
  render(<App />);
  const user = userEvent.setup();

  await user.click(await screen.findByRole("button", { name: "Drain: host-a 11" }));
  expect(screen.getByRole("dialog")).toHaveTextContent("3 jobs it has now go on to their end");
  await user.click(within(screen.getByRole("dialog")).getByRole("button", { name: "Drain" }));
  await user.click(screen.getByRole("button", { name: "Undrain: host-b 21" }));
  await user.click(within(screen.getByRole("dialog")).getByRole("button", { name: "Undrain" }));

  expect(asked.filter((one) => one.order !== undefined).map((one) => one.path)).toEqual([
    "workers/w-1/drain",
    "workers/w-2/undrain",
  ]);
});

test("who may not drain is offered nothing", async () => {
  fakeApi({ workers: { ...WORKERS, may_drain: false } });
  render(<App />);

  await screen.findByRole("table", { name: "Worker and job processes" });

  expect(screen.queryByRole("button", { name: /rain/ })).toBeNull();
});
