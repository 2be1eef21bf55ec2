// What the whole page is about: which period, in which time zone.
import type { Period, Zone } from "../lib/time";

export interface Scope {
  readonly period: Period;
  readonly zone: Zone;
}

/** As it ends a heading: "Spend, today". */
export const PERIOD_WORDS: Readonly<Record<Period, string>> = {
  today: "today",
  "24h": "last 24 hours",
  "7d": "last 7 days",
};
