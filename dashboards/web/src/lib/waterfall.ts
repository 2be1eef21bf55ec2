// Where the bars of a waterfall begin and end: each begins where the one before ended. Pure.
import { sumUsd, type PicoUsd } from "./money";

/** In thousandths of the whole width. */
export interface Bar {
  readonly from: number;
  readonly to: number;
}

export interface Waterfall {
  /** Where nothing differs. */
  readonly zero: number;
  /** One for each part. */
  readonly bars: readonly Bar[];
  /** From zero to the sum of all parts. */
  readonly whole: Bar;
  readonly sum: PicoUsd;
}

const WIDTH = 1_000n;

export function waterfallOf(amounts: readonly PicoUsd[]): Waterfall {
  const steps = [0n];
  let at = 0n;
  for (const amount of amounts) steps.push((at += amount));
  const low = steps.reduce((least, each) => (each < least ? each : least));
  const high = steps.reduce((most, each) => (each > most ? each : most));
  const span = high > low ? high - low : 1n;
  const place = (pico: bigint) => Number(((pico - low) * WIDTH) / span);
  const between = (left: bigint, right: bigint) =>
    left < right ? { from: place(left), to: place(right) } : { from: place(right), to: place(left) };
  return {
    zero: place(0n),
    bars: amounts.map((amount, index) => between(steps[index] ?? 0n, (steps[index] ?? 0n) + amount)),
    whole: between(0n, at),
    sum: sumUsd(amounts),
  };
}
