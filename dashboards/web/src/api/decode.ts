// Reads the API's JSON into types once, at the border; past it nothing is unknown.
import { parseUsd, type PicoUsd } from "../lib/money";
import { parseInstant } from "../lib/time";

/** Turns a JSON value into T or throws MalformedAnswer naming the place. */
export type Decoder<T> = (value: unknown, place: string) => T;

/** The controller answered something this dashboard does not understand. */
export class MalformedAnswer extends Error {
  override readonly name = "MalformedAnswer";

  constructor(place: string, expected: string) {
    super(`${place} is not ${expected}`);
  }
}

export const text: Decoder<string> = (value, place) => {
  if (typeof value !== "string") throw new MalformedAnswer(place, "text");
  return value;
};

/** The value of a grouping dimension; the controller says null or "" for what was never named. */
export const groupKey: Decoder<string> = (value, place) => (value === null ? "" : text(value, place)) || "(none)";

/** A whole number ≥ 0 that a double holds exactly. */
export const count: Decoder<number> = (value, place) => {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) {
    throw new MalformedAnswer(place, "a count");
  }
  return value;
};

/** Milliseconds, fractions allowed. */
export const milliseconds: Decoder<number> = (value, place) => {
  if (typeof value !== "number" || !Number.isFinite(value)) throw new MalformedAnswer(place, "milliseconds");
  return value;
};

export const flag: Decoder<boolean> = (value, place) => {
  if (typeof value !== "boolean") throw new MalformedAnswer(place, "true or false");
  return value;
};

/** A decimal string in USD. A JSON number is refused: it has been through a double. */
export const usd: Decoder<PicoUsd> = (value, place) => {
  try {
    return parseUsd(text(value, place));
  } catch (cause) {
    if (cause instanceof RangeError) throw new MalformedAnswer(place, "an amount in USD");
    throw cause;
  }
};

/** RFC 3339 with a zone, as milliseconds since 1970. */
export const instant: Decoder<number> = (value, place) => {
  try {
    return parseInstant(text(value, place));
  } catch (cause) {
    if (cause instanceof RangeError) throw new MalformedAnswer(place, "an instant");
    throw cause;
  }
};

/** A field that may be null or absent. */
export function optional<T>(decode: Decoder<T>): Decoder<T | null> {
  return (value, place) => (value === null || value === undefined ? null : decode(value, place));
}

export function listOf<T>(decode: Decoder<T>): Decoder<readonly T[]> {
  return (value, place) => {
    if (!Array.isArray(value)) throw new MalformedAnswer(place, "a list");
    return value.map((item, index) => decode(item, `${place}[${index}]`));
  };
}

export function mapOf<T>(decode: Decoder<T>): Decoder<Readonly<Record<string, T>>> {
  return (value, place) => {
    const entries = Object.entries(objectAt(value, place));
    return Object.fromEntries(entries.map(([key, item]) => [key, decode(item, `${place}.${key}`)]));
  };
}

/** An object with at least these fields; others are left out. */
export function shape<T>(fields: { readonly [K in keyof T]: Decoder<T[K]> }): Decoder<Readonly<T>> {
  const names = Object.keys(fields) as (keyof T & string)[];
  return (value, place) => {
    const object = objectAt(value, place);
    const made = names.map((name) => [name, fields[name](object[name], `${place}.${name}`)]);
    return Object.fromEntries(made) as T;
  };
}

function objectAt(value: unknown, place: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new MalformedAnswer(place, "an object");
  }
  return value as Record<string, unknown>;
}
