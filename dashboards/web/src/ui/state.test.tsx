// Each panel is in exactly one state, and says so to everyone.
import { render, screen } from "@testing-library/react";
import { userEvent } from "@testing-library/user-event";
import { expect, test, vi } from "vitest";
import { ApiProblem } from "../api/client";
import { Answer, type Polled } from "./state";

const NOTHING: Polled<string[]> = {
  data: undefined,
  error: null,
  dataUpdatedAt: 0,
  isPlaceholderData: false,
  refetch: vi.fn(),
};

function show(polled: Partial<Polled<string[]>>) {
  render(
    <Answer
      what="the sessions"
      polled={{ ...NOTHING, ...polled }}
      zone="utc"
      isEmpty={(data) => data.length === 0}
      empty={{ title: "No sessions yet", hint: "Make a call." }}
    >
      {(data) => <p>{data.join()}</p>}
    </Answer>,
  );
}

test("before the first answer it is loading", () => {
  show({});

  expect(screen.getByRole("status")).toHaveTextContent("Loading the sessions…");
});

test("a first answer that fails is an error with a way to retry", async () => {
  const refetch = vi.fn(() => Promise.resolve()) as unknown as Polled<string[]>["refetch"];
  show({ error: new ApiProblem("unreachable", "The controller cannot be reached."), refetch });

  await userEvent.click(screen.getByRole("button", { name: "Try again now" }));

  expect(screen.getByRole("alert")).toHaveTextContent("The sessions cannot be shown.");
  expect(refetch).toHaveBeenCalledOnce();
});

test("an answer without rows says what that means", () => {
  show({ data: [], dataUpdatedAt: 1 });

  expect(screen.getByText("No sessions yet")).toBeVisible();
  expect(screen.getByText("Make a call.")).toBeVisible();
});

test("data is drawn without any notice", () => {
  show({ data: ["first", "second"], dataUpdatedAt: 1 });

  expect(screen.getByText("first,second")).toBeVisible();
  expect(screen.queryByRole("alert")).toBeNull();
});

test("data whose poll failed stays, with the time it is of", () => {
  show({
    data: ["first"],
    dataUpdatedAt: Date.parse("2026-11-21T14:03:07Z"),
    error: new ApiProblem("unavailable", "Postgres does not answer."),
  });

  expect(screen.getByText("first")).toBeVisible();
  expect(screen.getByRole("alert")).toHaveTextContent("Postgres does not answer.Figures of 14:03:07.");
});
