// Every failure becomes one ApiProblem with a sentence.
import { expect, test, vi } from "vitest";
import { problem } from "../testing/fake_api";
import { ask, type ProblemKind } from "./client";
import { shape, usd } from "./decode";

const QUESTION = { path: "costs", query: { by: "model" }, decode: shape({ amount_usd: usd }) };

function answerWith(response: Response) {
  const fetched = vi.fn(() => Promise.resolve(response));
  vi.stubGlobal("fetch", fetched);
  return fetched;
}

test("asks the same origin and reads the answer; what changes nothing needs no proof", async () => {
  const fetched = answerWith(Response.json({ amount_usd: "1.5", more: true }));

  await expect(ask(QUESTION, "proof")).resolves.toEqual({ amount_usd: 1_500_000_000_000n });
  expect(fetched).toHaveBeenCalledWith(
    "/api/v1/costs?by=model",
    expect.objectContaining({ credentials: "same-origin", headers: { Accept: "application/json" } }),
  );
});

test("an order goes by POST as JSON, with the proof that this page asks", async () => {
  const fetched = answerWith(Response.json({ amount_usd: "0" }));

  await ask({ ...QUESTION, query: {}, order: { sentence: "Goodbye." } }, "proof");

  expect(fetched).toHaveBeenCalledWith(
    "/api/v1/costs",
    expect.objectContaining({
      method: "POST",
      body: '{"sentence":"Goodbye."}',
      headers: { Accept: "application/json", "X-CSRF-Token": "proof", "Content-Type": "application/json" },
    }),
  );
});

test.each<[number, ProblemKind]>([
  [401, "unauthorized"],
  [403, "forbidden"],
  [422, "refused"],
  [429, "unavailable"],
  [503, "unavailable"],
])("%d is %s, in the controller's own words", async (status, kind) => {
  answerWith(problem(status, "because of this."));

  await expect(ask(QUESTION, "proof")).rejects.toMatchObject({ kind, message: "Because of this.", code: "test.refused" });
});

test("a proxy's error page still reads as a sentence", async () => {
  answerWith(new Response("<h1>Bad gateway</h1>", { status: 502 }));

  await expect(ask(QUESTION, "proof")).rejects.toMatchObject({ kind: "unavailable", message: "The controller answered 502." });
});

test.each([
  ["not JSON", new Response("<html>")],
  ["not the contract", Response.json({ amount_usd: "1e-7" })],
])("an answer that is %s is malformed", async (_, response) => {
  answerWith(response);

  await expect(ask(QUESTION, "proof")).rejects.toMatchObject({ kind: "malformed" });
});

test("no answer at all is unreachable", async () => {
  vi.stubGlobal("fetch", () => Promise.reject(new TypeError("Failed to fetch")));

  await expect(ask(QUESTION, "proof")).rejects.toMatchObject({ kind: "unreachable" });
});

test("a question nobody waits for any more is an abort, not a problem", async () => {
  const control = new AbortController();
  const reason = new Error("left the page");
  vi.stubGlobal("fetch", () => {
    control.abort(reason);
    return Promise.reject(reason);
  });

  await expect(ask(QUESTION, "proof", control.signal)).rejects.toBe(reason);
});
