// The page calls things what the report for people does.
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { HARMLESS, MEANINGS, TITLES } from "./reconciliation_words";

const RECONCILE = new URL("../../../../controller/voicegateway_controller/reconcile/", import.meta.url);

function pythonOf(name: string): string {
  return readFileSync(new URL(name, RECONCILE), "utf8");
}

test("titles and meanings are the controller's", () => {
  const pairs = [...pythonOf("words.py").matchAll(/^ {4}"(\w+)": "(.*)",$/gm)].map(([, name, words]) => [name, words]);

  expect(pairs).toEqual([...Object.entries(TITLES), ...Object.entries(MEANINGS)]);
});

test("what is no drift is what the controller counts as none", () => {
  const names = /HARMLESS.*?frozenset\(\{(.*?)\}\)/s.exec(pythonOf("cells.py"))?.[1] ?? "";

  expect(new Set([...names.matchAll(/"(\w+)"/g)].map(([, name]) => name))).toEqual(HARMLESS);
});
