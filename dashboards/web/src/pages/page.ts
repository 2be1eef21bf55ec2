// Which page is shown. It stands in the fragment, so that a link and the back button lead to it.
import { useSyncExternalStore } from "react";

export const PAGES = { overview: "Overview", budgets: "Budgets", providers: "Providers" } as const;
export type Page = keyof typeof PAGES;

const FRAGMENT_NAME = "page";

/** The page that the address names; the overview where it names none that there is. */
export function pageOf(fragment: string): Page {
  const named = new URLSearchParams(fragment.replace(/^#/, "")).get(FRAGMENT_NAME) ?? "";
  return Object.hasOwn(PAGES, named) ? (named as Page) : "overview";
}

/** The fragment that leads to a page. */
export function linkTo(page: Page): string {
  return `#${new URLSearchParams({ [FRAGMENT_NAME]: page }).toString()}`;
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
