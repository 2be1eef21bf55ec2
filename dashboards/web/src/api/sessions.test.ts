// Running calls are on top, and none is missing for being young.
import { expect, test } from "vitest";
import { ZERO_USD } from "../lib/money";
import { withLive, type SessionRow } from "./sessions";

function session(session_id: string, started_at: number, live = false): SessionRow {
  return {
    session_id,
    project: "support",
    agent: null,
    room: null,
    started_at,
    ended_at: live ? null : started_at + 1,
    live,
    requests: 0,
    errors: 0,
    estimated_requests: 0,
    unrated_requests: 0,
    amount_usd: ZERO_USD,
  };
}

test("live calls come first, newest on top, then the ended ones", () => {
  const rows = [session("ended", 9), session("old-live", 1, true), session("older-ended", 3)];

  expect(withLive(rows, []).map((row) => row.session_id)).toEqual(["old-live", "ended", "older-ended"]);
});

test("a call too young to have spent anything is listed as live", () => {
  const young = { session_id: "young", project: "support", agent: null, room: "room-1", started_at: 5, amount_usd: ZERO_USD };

  expect(withLive([session("ended", 9)], [young])).toEqual([
    { ...session("young", 5, true), room: "room-1" },
    session("ended", 9),
  ]);
});

test("a session two projects pay for has a row for each", () => {
  const support = session("call", 5);
  const sales = { ...support, project: "sales" };

  expect(withLive([support], [sales])).toEqual([{ ...sales, live: true, ended_at: null }, support]);
});

test("a listed call that presence knows is live, and listed once", () => {
  const row = session("call", 5);

  expect(withLive([row], [row])).toEqual([{ ...row, live: true }]);
});
