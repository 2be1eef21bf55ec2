// The page as a visitor meets it: signing in, the figures, polling, and losing the controller.
import { focusManager } from "@tanstack/react-query";
import { act, render, screen, within } from "@testing-library/react";
import { userEvent } from "@testing-library/user-event";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { App } from "./app";
import { ANSWERS, beSignedIn, CSRF, fakeApi, GOOD_TOKEN, problem } from "./testing/fake_api";

// A chart needs a layout, which jsdom does not have; the browser test looks at the real one.
vi.mock("./charts/spend_bars", () => ({ SpendBars: ({ summary }: { summary: string }) => <p>{summary}</p> }));

function exactIn(group: HTMLElement): string[] {
  return [...group.querySelectorAll("data")].map((amount) => amount.value);
}

describe("signing in", () => {
  test("a token in the fragment becomes a session, and is gone from the address", async () => {
    const asked = fakeApi();
    location.hash = `#token=${GOOD_TOKEN}`;

    render(<App />);

    expect(await screen.findByRole("group", { name: "Spend, today" })).toBeVisible();
    expect(location.href).not.toContain("token");
    expect(asked.filter((one) => one.order !== undefined).map((one) => one.path)).toEqual(["sign-in"]);
    expect(JSON.stringify([sessionStorage, localStorage])).not.toContain(GOOD_TOKEN);
  });

  test("who comes back is still signed in", async () => {
    beSignedIn();
    fakeApi();

    render(<App />);

    expect(await screen.findByRole("group", { name: "Spend, today" })).toBeVisible();
  });

  test("a session that ends leads back to the login view with the reason", async () => {
    beSignedIn();
    fakeApi({ live: () => problem(401, "The session has expired.") });

    render(<App />);

    expect(await screen.findByText("The session has expired.")).toBeVisible();
    expect(screen.getByLabelText("Access token")).toBeVisible();
  });

  test("a wrong token stays at the login view", async () => {
    fakeApi();
    render(<App />);

    await userEvent.type(await screen.findByLabelText("Access token"), "vgw_wrong{Enter}");

    expect(await screen.findByText("This token is unknown.")).toBeVisible();
  });

  test("what cannot be a token is refused without asking", async () => {
    const asked = fakeApi();
    render(<App />);

    await userEvent.type(await screen.findByLabelText("Access token"), "vgw_ключ{Enter}");

    expect(await screen.findByText(/That is not a token/)).toBeVisible();
    expect(asked.map((one) => one.path)).toEqual(["sign-in/options"]);
  });

  test("signing out ends the session", async () => {
    const asked = fakeApi();
    render(<App />);
    await userEvent.type(await screen.findByLabelText("Access token"), `  ${GOOD_TOKEN} {Enter}`);

    await userEvent.click(await screen.findByRole("button", { name: "Sign out" }));

    expect(await screen.findByLabelText("Access token")).toBeVisible();
    expect(asked.filter((one) => one.path === "sign-out")).toEqual([expect.objectContaining({ csrf: CSRF })]);
  });

  test("the company's own sign-in is offered where there is one, and comes back to this page", async () => {
    fakeApi({ "sign-in/options": { token: true, oidc: { name: "Acme SSO" }, signed_in: null } });
    location.hash = "#page=budgets";
    render(<App />);

    const link = await screen.findByRole("link", { name: "Sign in with Acme SSO" });

    expect(link).toHaveAttribute("href", "/api/v1/sign-in/oidc?to=%2F%23page%3Dbudgets");
  });

  test("why a sign-in elsewhere failed is said, and does not stay in the address", async () => {
    fakeApi();
    location.hash = `#problem=${encodeURIComponent("ada@acme.example has no role here.")}`;

    render(<App />);

    expect(await screen.findByText("ada@acme.example has no role here.")).toBeVisible();
    expect(location.hash).toBe("");
  });

  test("a controller that is away is said at the login", async () => {
    vi.stubGlobal("fetch", () => Promise.reject(new TypeError("connection refused")));

    render(<App />);

    expect(await screen.findByText("The controller cannot be reached.")).toBeVisible();
  });
});

describe("signed in", () => {
  beforeEach(() => {
    beSignedIn();
  });

  test("figures are the API's to the last digit", async () => {
    fakeApi();
    render(<App />);

    expect(exactIn(await screen.findByRole("group", { name: "Spend, today" }))).toEqual(["0.300000000001"]);
    const breakdown = await screen.findByRole("table", { name: "Spend by provider, today" });
    expect(exactIn(breakdown)).toEqual(["0.200000000001", "0.100000000000", "0.300000000001"]);
    const sessions = await screen.findByRole("table", { name: "Latest sessions and their cost" });
    expect(exactIn(sessions)).toEqual(["0.300000000001"]);
    expect(within(sessions).getAllByText("2 unrated")).not.toEqual([]);
    expect(screen.getByText("Calls live").nextSibling).toHaveTextContent("7");
    expect(screen.getByText("Ledger lag").nextSibling).toHaveTextContent("350 ms");
    expect(screen.getByText("1,900 ms")).toBeVisible();
  });

  test("choosing another dimension and period asks for it", async () => {
    const asked = fakeApi();
    render(<App />);

    await userEvent.click(within(await screen.findByRole("group", { name: "Break down by" })).getByLabelText("Model"));
    await userEvent.click(screen.getByLabelText("24 hours"));

    expect(await screen.findByRole("table", { name: "Spend by model, last 24 hours" })).toBeVisible();
    expect(asked.filter((one) => one.path === "costs").at(-1)?.query).toMatchObject({ by: "model" });
  });

  test("every report is asked for again after two seconds, and not while the tab is hidden", async () => {
    vi.useFakeTimers();
    const asked = fakeApi();
    render(<App />);
    await act(() => vi.advanceTimersByTimeAsync(100));
    // All but who the visitor is.
    const first = asked.length - 1;

    await act(() => vi.advanceTimersByTimeAsync(2_000));
    expect(asked.length - 1).toBe(2 * first);

    act(() => {
      focusManager.setFocused(false);
    });
    await act(() => vi.advanceTimersByTimeAsync(60_000));
    expect(asked.length - 1).toBe(2 * first);

    await act(async () => {
      focusManager.setFocused(true);
      await vi.advanceTimersByTimeAsync(100);
    });
    expect(asked.length - 1).toBe(3 * first);
    focusManager.setFocused(undefined);
  });

  test("when the controller goes away the last figures stay, marked as old", async () => {
    vi.useFakeTimers();
    fakeApi();
    render(<App />);
    await act(() => vi.advanceTimersByTimeAsync(100));

    vi.stubGlobal("fetch", () => Promise.reject(new TypeError("connection refused")));
    await act(() => vi.advanceTimersByTimeAsync(2_100));

    expect(screen.getByText("Connection lost")).toBeVisible();
    expect(screen.getAllByText("The controller cannot be reached.").length).toBeGreaterThan(1);
    expect(exactIn(screen.getByRole("group", { name: "Spend, today" }))).toEqual(["0.300000000001"]);

    fakeApi();
    await act(() => vi.advanceTimersByTimeAsync(5_100));

    expect(screen.getByText("Connected")).toBeVisible();
    expect(screen.queryByText("The controller cannot be reached.")).toBeNull();
  });

  test("when only presence is unknown the page says degraded and shows the money", async () => {
    fakeApi({ live: () => problem(503, "Redis does not answer.") });
    render(<App />);

    expect(await screen.findByText("Degraded")).toHaveAttribute("title", "Redis does not answer.");
    expect(screen.getByText("Calls live").nextSibling).toHaveTextContent("–");
    expect(exactIn(await screen.findByRole("group", { name: "Spend, today" }))).toEqual(["0.300000000001"]);
  });

  test("one report that fails leaves the others standing", async () => {
    fakeApi({ latency: () => problem(503, "Postgres does not answer.") });
    render(<App />);

    expect(await screen.findByText("Postgres does not answer.")).toBeVisible();
    expect(await screen.findByRole("table", { name: "Latest sessions and their cost" })).toBeVisible();
  });

  test("an amount that has been through a double is refused, not shown", async () => {
    const costs = ANSWERS.costs as { total: object };
    fakeApi({ costs: { ...costs, total: { ...costs.total, amount_usd: 0.3 } } });
    render(<App />);

    expect((await screen.findAllByText(/costs\.total\.amount_usd is not text/)).length).toBeGreaterThan(0);
    expect(screen.queryByRole("group", { name: "Spend, today" })).toBeNull();
  });

  test("a ledger without requests says what to do", async () => {
    const costs = ANSWERS.costs as object;
    fakeApi({
      costs: { ...costs, total: { amount_usd: "0", requests: 0, estimated_requests: 0, unrated_requests: 0 }, rows: [] },
      spend: { bucket: "minute", by: "provider", points: [] },
      latency: { rows: [] },
      sessions: { rows: [] },
    });
    render(<App />);

    expect(await screen.findByText("Nothing was spent in this window")).toBeVisible();
    expect(screen.getByText("No requests in this period")).toBeVisible();
    expect(screen.getByText("No timed requests in this period")).toBeVisible();
    expect(screen.getByText("No sessions yet")).toBeVisible();
  });
});
