// Which of the prices somebody wants to see. Pure.
import type { Price } from "../api/prices";
import { formatCount } from "./format";

/** By whose word: the vendor's list, or a contract with the organisation's keys or for one project. */
export const LAYERS = { all: "All", list: "List", contract: "Contract", project: "Project" } as const;
export type Layer = keyof typeof LAYERS;

export interface PriceFilter {
  /** Empty: of all. */
  readonly provider: string;
  readonly layer: Layer;
  /** Words that the model, the meter or the context hold, all of them. */
  readonly text: string;
  /** Only those that nobody read at their source for long. */
  readonly isStale: boolean;
}

export const NO_FILTER: PriceFilter = { provider: "", layer: "all", text: "", isStale: false };

const LAYER_OF: Readonly<Record<string, Layer>> = {
  builtin: "list",
  managed: "list",
  account: "contract",
  project: "project",
};

export function filterPrices(prices: readonly Price[], filter: PriceFilter): Price[] {
  const words = filter.text.toLowerCase().split(/\s+/).filter(Boolean);
  return prices.filter((price) => {
    if (filter.provider !== "" && price.provider !== filter.provider) return false;
    if (filter.layer !== "all" && LAYER_OF[price.layer] !== filter.layer) return false;
    if (filter.isStale && !price.is_stale) return false;
    const text = [price.provider, price.model, price.modality, price.meter, ...Object.values(price.when)]
      .join(" ")
      .toLowerCase();
    return words.every((word) => text.includes(word));
  });
}

/** What is asked for one unit, as published: "$0.40 per 1,000,000 tokens", "2 credits per 1 character". */
export function publishedAmount({ amount, currency, per }: Price): string {
  const unit = per.replace(/^\d+/, (digits) => formatCount(Number(digits)));
  return currency === "USD" ? `$${amount} per ${unit}` : `${amount} ${amount === "1" ? "credit" : "credits"} per ${unit}`;
}

/** An address that a link may lead to; anybody who may set prices writes it, so only the web's own schemes. */
export function safeAddress(url: string): string | null {
  return /^https?:\/\//i.test(url) ? url : null;
}
