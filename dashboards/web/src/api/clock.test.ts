// The controller's clock is the one that counts.
import { beforeEach, expect, test } from "vitest";
import { atController, noteAnswer } from "./clock";

const NOW = Date.parse("2026-11-21T14:03:07.600Z");

beforeEach(() => {
  noteAnswer(new Headers({ Date: "Sat, 21 Nov 2026 14:03:07 GMT" }), NOW);
});

test("a browser that is right within the header's precision is believed", () => {
  expect(atController(NOW)).toBe(NOW);
});

test("a browser that is five minutes behind is put right", () => {
  noteAnswer(new Headers({ Date: "Sat, 21 Nov 2026 14:08:07 GMT" }), NOW);

  expect(atController(NOW)).toBe(NOW + 5 * 60_000 - 600);
});

test("an answer without a date changes nothing", () => {
  noteAnswer(new Headers({ Date: "Sat, 21 Nov 2026 14:08:07 GMT" }), NOW);
  noteAnswer(new Headers(), NOW);
  noteAnswer(new Headers({ Date: "soon" }), NOW);

  expect(atController(NOW)).toBe(NOW + 5 * 60_000 - 600);
});
