// Money as whole pico-dollars (1e-12 USD) in BigInt; text in and out, never a floating-point number.

/** Whole pico-dollars. Only this file makes them, so a plain bigint cannot pass for money. */
export type PicoUsd = bigint & { readonly __unit: "pico-usd" };

export const ZERO_USD = 0n as PicoUsd;

const DECIMALS = 12;
const PICO_PER_USD = 10n ** BigInt(DECIMALS);
const AMOUNT = /^(-?)(\d+)(?:\.(\d{1,12}))?$/;
// Below one dollar six decimals tell two voice requests apart; above it cents are what people compare.
const DECIMALS_SMALL = 6;
const DECIMALS_LARGE = 2;

/** Read a decimal string of at most twelve decimals. Throws on anything else, exponents included. */
export function parseUsd(text: string): PicoUsd {
  const match = AMOUNT.exec(text);
  if (match === null) throw new RangeError(`not an amount in USD: ${JSON.stringify(text.slice(0, 40))}`);
  const [, sign = "", whole = "0", fraction = ""] = match;
  const pico = BigInt(whole) * PICO_PER_USD + BigInt(fraction.padEnd(DECIMALS, "0"));
  return (sign === "-" ? -pico : pico) as PicoUsd;
}

export function sumUsd(amounts: Iterable<PicoUsd>): PicoUsd {
  let sum = 0n;
  for (const amount of amounts) sum += amount;
  return sum as PicoUsd;
}

/** All twelve decimals, for titles and for reading back: "0.004213000000". */
export function exactUsd(amount: PicoUsd): string {
  const [whole, fraction] = split(absolute(amount), DECIMALS);
  return `${amount < 0n ? "-" : ""}${whole}.${fraction}`;
}

/** For reading at a glance: "$12.34", "$0.004213", "<$0.000001". Rounded half away from zero. */
export function formatUsd(amount: PicoUsd): string {
  const sign = amount < 0n ? "−" : "";
  const size = absolute(amount);
  if (size === 0n) return "$0.00";
  const small = roundTo(size, DECIMALS_SMALL);
  if (small === 0n) return amount < 0n ? ">−$0.000001" : "<$0.000001";
  if (small < 10n ** BigInt(DECIMALS_SMALL)) return `${sign}$${split(small, DECIMALS_SMALL).join(".")}`;
  const [whole, cents] = split(roundTo(size, DECIMALS_LARGE), DECIMALS_LARGE);
  return `${sign}$${grouped(whole)}.${cents}`;
}

/** The amount per one of `count`, rounded half away from zero to a pico-dollar; null when there is none. */
export function perUnit(amount: PicoUsd, count: number): PicoUsd | null {
  if (count <= 0) return null;
  const size = divideHalfUp(absolute(amount), BigInt(count));
  return (amount < 0n ? -size : size) as PicoUsd;
}

/** A part of a whole in tenths of a percent, 0 when the whole is not positive. */
export function perMille(part: PicoUsd, whole: PicoUsd): number {
  if (whole <= 0n || part <= 0n) return 0;
  return Number(divideHalfUp(part * 1000n, whole));
}

export function compareUsd(left: PicoUsd, right: PicoUsd): number {
  if (left === right) return 0;
  return left < right ? -1 : 1;
}

/** Dollars as a float, good for the height of a bar and for nothing else. */
export function usdForPixels(amount: PicoUsd): number {
  return Number(amount) / Number(PICO_PER_USD);
}

function absolute(amount: bigint): bigint {
  return amount < 0n ? -amount : amount;
}

function roundTo(pico: bigint, decimals: number): bigint {
  return divideHalfUp(pico, 10n ** BigInt(DECIMALS - decimals));
}

function divideHalfUp(amount: bigint, divisor: bigint): bigint {
  return (2n * amount + divisor) / (2n * divisor);
}

function split(units: bigint, decimals: number): [whole: string, fraction: string] {
  const digits = units.toString().padStart(decimals + 1, "0");
  return [digits.slice(0, -decimals), digits.slice(-decimals)];
}

function grouped(digits: string): string {
  return digits.replace(/\B(?=(\d{3})+$)/g, ",");
}
