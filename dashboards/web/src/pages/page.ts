// Which page is shown. It stands in the fragment, so that a link and the back button lead to it.
import { useSyncExternalStore } from "react";

/** Those that the header leads to. */
export const PAGES = {
  overview: "Overview",
  budgets: "Budgets",
  providers: "Providers",
  fleet: "Fleet",
  books: "Books",
  prices: "Prices",
  admin: "Admin",
} as const;
/** One call has a page too; the overview's list leads to it. */
export type Page = keyof typeof PAGES | "call";

const FRAGMENT_NAME = "page";

/** The page that the address names; the overview where it names none that there is. */
export function pageOf(fragment: string): Page {
  const named = inFragment(fragment, FRAGMENT_NAME);
  return named === "call" || Object.hasOwn(PAGES, named) ? (named as Page) : "overview";
}

/** The fragment that leads to a page, perhaps to one thing on it. */
export function linkTo(page: Page, id = ""): string {
  return `#${new URLSearchParams({ [FRAGMENT_NAME]: page, ...(id && { id }) }).toString()}`;
}

/** Which thing of its page the address names; empty: none. */
export function useNamed(): string {
  return useSyncExternalStore(onFragment, () => inFragment(location.hash, "id"));
}

function inFragment(fragment: string, name: string): string {
  return new URLSearchParams(fragment.replace(/^#/, "")).get(name) ?? "";
}

export function usePage(): Page {
  return useSyncExternalStore(onFragment, () => pageOf(location.hash));
}

function onFragment(changed: () => void): () => void {
  addEventListener("hashchange", changed);
  return () => {
    removeEventListener("hashchange", changed);
  };
}
