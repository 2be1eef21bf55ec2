// Spend points → the stacked series of a chart: gaps filled, small keys folded, amounts exact.
import { compareUsd, sumUsd, ZERO_USD, type PicoUsd } from "./money";
import { bucketStarts, floorTo, type Bucket, type Window } from "./time";

export interface SpendPoint {
  readonly at: number;
  readonly key: string;
  readonly amount: PicoUsd;
}

/** One bucket: what each series spent in it, in the order of `Stack.series`. */
export interface StackRow {
  readonly at: number;
  readonly amounts: readonly PicoUsd[];
  readonly total: PicoUsd;
}

export interface Series {
  readonly key: string;
  readonly total: PicoUsd;
}

export interface Stack {
  readonly series: readonly Series[];
  readonly rows: readonly StackRow[];
  readonly total: PicoUsd;
}

// More colours than this cannot be told apart; the rest is folded into one grey series.
export const SERIES_MAX = 7;
export const OTHER_KEY = "everything else";

/** Stack the points of a window. Points outside it are left out, so the total is what is drawn. */
export function stackSpend(points: readonly SpendPoint[], window: Window, bucket: Bucket): Stack {
  const inside = points.filter((point) => point.at >= window.since && point.at < window.until);
  const series = largestSeries(inside);
  const columns = new Map(series.map((one, index) => [one.key, index]));
  const other = columns.get(OTHER_KEY);
  const byStart = new Map(bucketStarts(window, bucket).map((at) => [at, series.map(() => ZERO_USD)]));
  for (const point of inside) {
    const amounts = byStart.get(floorTo(point.at, bucket));
    const column = columns.get(point.key) ?? other;
    if (amounts === undefined || column === undefined) continue;
    amounts[column] = sumUsd([amounts[column] ?? ZERO_USD, point.amount]);
  }
  const rows = [...byStart].map(([at, amounts]) => ({ at, amounts, total: sumUsd(amounts) }));
  return { series, rows, total: sumUsd(series.map((one) => one.total)) };
}

function largestSeries(points: readonly SpendPoint[]): Series[] {
  const totals = new Map<string, PicoUsd>();
  for (const { key, amount } of points) totals.set(key, sumUsd([totals.get(key) ?? ZERO_USD, amount]));
  const sorted = [...totals]
    .map(([key, total]) => ({ key, total }))
    .sort((left, right) => compareUsd(right.total, left.total) || left.key.localeCompare(right.key));
  if (sorted.length <= SERIES_MAX) return sorted;
  const rest = sorted.slice(SERIES_MAX - 1);
  return [...sorted.slice(0, SERIES_MAX - 1), { key: OTHER_KEY, total: sumUsd(rest.map((one) => one.total)) }];
}

/** Colour slots by key. A key keeps its slot while the page lives, so a poll never repaints a series. */
export class ColourSlots {
  readonly #slots = new Map<string, number>();

  /** One slot per key, none twice, from 0 to SERIES_MAX - 1; the folded rest has the slot after the last. */
  slotsFor(keys: readonly string[]): number[] {
    const taken = new Set<number>([SERIES_MAX]);
    const named = keys.filter((key) => key !== OTHER_KEY);
    const newcomers = named.filter((key) => !this.#keep(key, taken));
    for (const key of newcomers) {
      let slot = 0;
      while (taken.has(slot) && slot < SERIES_MAX) slot += 1;
      taken.add(slot);
      this.#slots.set(key, slot);
    }
    return keys.map((key) => this.#slots.get(key) ?? SERIES_MAX);
  }

  #keep(key: string, taken: Set<number>): boolean {
    const slot = this.#slots.get(key);
    if (slot === undefined || taken.has(slot)) return false;
    taken.add(slot);
    return true;
  }
}
