// The administration's page, as an administrator and others meet it.
import { render, screen, within } from "@testing-library/react";
import { userEvent } from "@testing-library/user-event";
import { beforeEach, expect, test } from "vitest";
import { App } from "./app";
import { beSignedIn, fakeApi, problem, VISITOR } from "./testing/fake_api";

const ADMIN = { ...VISITOR, role: "admin" };
const AT = "2026-11-21T13:00:00Z";
const TOKEN = {
  id: "0123456789abcdef", name: "finance", role: "viewer", projects: ["acme"], created_at: AT, expires_at: null,
  last_used_at: AT, revoked_at: null,
};
const ANSWERS = {
  "sign-in/options": { token: true, oidc: null, signed_in: ADMIN },
  "config/status": { problems: [{ layer: "yaml", kind: "budgets", place: "voicegw.yaml:12", problem: "amount_usd is missing" }] },
  "config/versions": {
    versions: [
      { number: 2, at: AT, actor: "1f2e", layer: "db", kinds: ["limits"], summary: "limits: 1 added" },
      { number: 1, at: AT, actor: "1f2e", layer: "yaml", kinds: ["budgets"], summary: "budgets: 2 added" },
    ],
  },
  keys: {
    keys: [
      { id: "openai-main", provider: "openai", note: "", masked: "sk-p...2345", fingerprint: "9c1d", projects: null,
        source: "db", is_sealed: true, reads: "", state: "active", problem: "", holders: 3, created_at: AT, rotated_at: null },
      { id: "cluster", provider: "deepgram", note: "", masked: "dg-0...7777", fingerprint: "77aa", projects: ["acme"],
        source: "yaml", is_sealed: false, reads: "DEEPGRAM_API_KEY", state: "unreadable", problem: "DEEPGRAM_API_KEY is not set",
        holders: null, created_at: null, rotated_at: null },
    ],
  },
  tokens: { tokens: [TOKEN, { ...TOKEN, id: "fe", name: "old script", revoked_at: AT }] },
  "sign-ins": {
    sign_ins: [
      { id: "s1", name: "ada@acme.example", role: "admin", projects: null, created_at: AT, last_seen_at: AT, expires_at: AT,
        is_current: true },
    ],
  },
  audit: {
    records: [
      { number: 7, at: AT, actor: "1f2e", actor_name: "ada", action: "limits.declare", resource: "limits", project: "",
        reason: "", before: [], after: [{ id: "model" }] },
    ],
  },
};

beforeEach(() => {
  beSignedIn();
  location.hash = "#page=admin";
});

async function rowsOf(name: string): Promise<HTMLElement[]> {
  const table = await screen.findByRole("table", { name });
  return within(table).getAllByRole("row").slice(1);
}

test("an administrator sees keys, tokens, sessions and changes, and what is wrong in a file", async () => {
  fakeApi(ANSWERS);
  render(<App />);

  expect((await rowsOf("Vendors' keys")).map((row) => row.textContent)).toEqual([
    expect.stringMatching(/openai-main sk-p\.\.\.2345.*active.*3/),
    expect.stringMatching(/cluster.*DEEPGRAM_API_KEY.*unreadable/),
  ]);
  expect((await rowsOf("Access tokens")).map((row) => /active|revoked/.exec(row.textContent)?.[0])).toEqual([
    "active",
    "revoked",
  ]);
  expect((await rowsOf("Sessions of dashboards"))[0]).toHaveTextContent("ada@acme.example");
  expect((await rowsOf("Changes, the newest first"))[0]).toHaveTextContent(/limits\.declare limits.*ada/);
  expect(screen.getByText("yaml · budgets · voicegw.yaml:12: amount_usd is missing")).toBeVisible();
});

test("only what is managed here can be revoked here", async () => {
  fakeApi(ANSWERS);
  render(<App />);

  await rowsOf("Vendors' keys");

  expect(screen.getByRole("button", { name: "Revoke: openai-main" })).toBeVisible();
  expect(screen.queryByRole("button", { name: "Revoke: cluster" })).toBeNull();
  expect(screen.queryByRole("button", { name: "Revoke: old script" })).toBeNull();
});

test("a token is revoked after one more question", async () => {
  const asked = fakeApi({ ...ANSWERS, [`tokens/${TOKEN.id}`]: {} });
  render(<App />);
  const user = userEvent.setup();

  await user.click(await screen.findByRole("button", { name: "Revoke: finance" }));
  await user.click(within(screen.getByRole("dialog")).getByRole("button", { name: "Revoke" }));

  expect(asked.filter((one) => one.method === "DELETE").map((one) => one.path)).toEqual([`tokens/${TOKEN.id}`]);
  expect(screen.queryByRole("dialog")).toBeNull();
});

test("a new token is shown once", async () => {
  const asked = fakeApi({ ...ANSWERS, tokens: (url: URL) => (url.search === "" ? { id: "ab", token: "vgw_ab_secret" } : ANSWERS.tokens) });
  render(<App />);
  const user = userEvent.setup();

  await user.click(await screen.findByRole("button", { name: "New token" }));
  const dialog = within(screen.getByRole("dialog"));
  await user.type(dialog.getByLabelText("For whom or what"), "grafana");
  await user.type(dialog.getByLabelText(/^Projects/), "acme, globex");
  await user.click(dialog.getByLabelText("No end"));
  await user.click(dialog.getByRole("button", { name: "Make it" }));

  expect(await screen.findByText("vgw_ab_secret")).toBeVisible();
  expect(asked.find((one) => one.order !== undefined)?.order).toEqual({
    name: "grafana",
    role: "viewer",
    projects: ["acme", "globex"],
    expires_at: null,
  });
  await user.click(screen.getByRole("button", { name: "I have it" }));
  expect(screen.queryByText("vgw_ab_secret")).toBeNull();
});

test("a rollback that is refused says why, and the question stays", async () => {
  fakeApi({ ...ANSWERS, "config/versions/1/rollback": problem(409, "version 1 names a limit of a vendor that is gone") });
  render(<App />);
  const user = userEvent.setup();

  await user.click(await screen.findByRole("button", { name: "Roll back: to version 1" }));
  await user.click(within(screen.getByRole("dialog")).getByRole("button", { name: "Roll back" }));

  expect(await screen.findByText("Version 1 names a limit of a vendor that is gone")).toBeVisible();
  expect(screen.queryByRole("button", { name: "Roll back: to version 2" })).toBeNull();
});

test("a viewer is told whose the rest is, and asks for none of it", async () => {
  const asked = fakeApi({ ...ANSWERS, "sign-in/options": { token: true, oidc: null, signed_in: VISITOR } });
  render(<App />);

  expect(await screen.findByText(/an administrator's/)).toBeVisible();
  await rowsOf("Versions of the configuration");

  expect(screen.queryByRole("button", { name: /Roll back/ })).toBeNull();
  expect(asked.map((one) => one.path)).not.toContain("keys");
});
