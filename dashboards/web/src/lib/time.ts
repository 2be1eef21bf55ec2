// Instants as milliseconds since 1970, the windows the page asks for, and how times are written in a zone.

export type Zone = "utc" | "local";
export type Period = "today" | "24h" | "7d";
export type Bucket = "minute" | "hour";

/** Half-open: since ≤ instant < until. */
export interface Window {
  readonly since: number;
  readonly until: number;
}

export const SECOND_MS = 1_000;
export const MINUTE_MS = 60 * SECOND_MS;
export const HOUR_MS = 60 * MINUTE_MS;
export const DAY_MS = 24 * HOUR_MS;
// The controller keeps minutes for the last hour only; older spend comes by the hour.
export const MINUTES_SHOWN = 60;
// A chart wider than this has bars thinner than a pixel; the oldest buckets are left out.
const BUCKETS_MAX = 24 * 31;

const BUCKET_MS: Readonly<Record<Bucket, number>> = { minute: MINUTE_MS, hour: HOUR_MS };

/** When the period began. "today" starts at midnight of the zone; the others are whole hours long. */
export function periodStart(period: Period, now: number, zone: Zone): number {
  if (period === "today") return startOfDay(now, zone);
  const length = period === "24h" ? DAY_MS : 7 * DAY_MS;
  return floorTo(now, "hour") + HOUR_MS - length;
}

/** The window a spend chart covers: an hour of minutes, or the period's hours. */
export function chartWindow(bucket: Bucket, period: Period, now: number, zone: Zone): Window {
  const until = floorTo(now, bucket) + BUCKET_MS[bucket];
  if (bucket === "minute") return { since: until - MINUTES_SHOWN * MINUTE_MS, until };
  return { since: floorTo(periodStart(period, now, zone), "hour"), until };
}

/** The start of every bucket of a window, oldest first. */
export function bucketStarts(window: Window, bucket: Bucket): number[] {
  const step = BUCKET_MS[bucket];
  const first = Math.max(floorTo(window.since, bucket), window.until - BUCKETS_MAX * step);
  const starts: number[] = [];
  for (let at = first; at < window.until; at += step) starts.push(at);
  return starts;
}

export function floorTo(at: number, bucket: Bucket): number {
  return Math.floor(at / BUCKET_MS[bucket]) * BUCKET_MS[bucket];
}

export function startOfDay(at: number, zone: Zone): number {
  if (zone === "utc") return Math.floor(at / DAY_MS) * DAY_MS;
  return new Date(at).setHours(0, 0, 0, 0);
}

/** RFC 3339 in UTC, as the API takes it. */
export function toRfc3339(at: number): string {
  return new Date(at).toISOString();
}

/** Reads RFC 3339 with a zone; throws on anything else, so that a bare local time never passes for UTC. */
export function parseInstant(text: string): number {
  const isZoned = /^\d{4}-\d\d-\d\dT\d\d:\d\d.*(Z|[+-]\d\d:\d\d)$/i.test(text);
  const at = isZoned ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(at)) throw new RangeError(`not an instant: ${JSON.stringify(text.slice(0, 40))}`);
  return at;
}

/** "14:03:07", or "14:03" without seconds. */
export function formatClock(at: number, zone: Zone, precision: "second" | "minute"): string {
  const seconds = precision === "second" ? { second: "2-digit" as const } : {};
  return formatter(zone, { hour: "2-digit", minute: "2-digit", ...seconds }).format(at);
}

/** "21 Nov". */
export function formatDay(at: number, zone: Zone): string {
  return formatter(zone, { day: "numeric", month: "short" }).format(at);
}

/** The whole instant with its zone, for titles and tooltips: "21 Nov 2026, 14:03:07 UTC". */
export function formatInstant(at: number, zone: Zone): string {
  const clock = formatClock(at, zone, "second");
  return `${formatter(zone, { day: "numeric", month: "short", year: "numeric" }).format(at)}, ${clock} ${offsetName(at, zone)}`;
}

/** "UTC", or the browser's zone with its present offset: "Europe/Berlin (GMT+1)". */
export function zoneName(zone: Zone, at: number): string {
  if (zone === "utc") return "UTC";
  return `${Intl.DateTimeFormat().resolvedOptions().timeZone} (${offsetName(at, zone)})`;
}

/** "850 ms", "12 s", "3 m 07 s", "2 h 05 m"; negative spans read as zero. */
export function formatDuration(ms: number): string {
  if (ms < SECOND_MS) return `${Math.max(0, Math.round(ms))} ms`;
  const seconds = Math.floor(ms / SECOND_MS);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} m ${two(seconds % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${two(minutes % 60)} m`;
}

function two(value: number): string {
  return String(value).padStart(2, "0");
}

function offsetName(at: number, zone: Zone): string {
  if (zone === "utc") return "UTC";
  const parts = formatter(zone, { timeZoneName: "shortOffset" }).formatToParts(at);
  return parts.find((part) => part.type === "timeZoneName")?.value ?? "local time";
}

const formatters = new Map<string, Intl.DateTimeFormat>();

function formatter(zone: Zone, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  // Making one costs some 50 µs, and a page writes hundreds of times at each poll.
  const key = zone + JSON.stringify(options);
  let made = formatters.get(key);
  if (made === undefined) {
    const timeZone = zone === "utc" ? { timeZone: "UTC" } : {};
    made = new Intl.DateTimeFormat("en-GB", { hourCycle: "h23", ...options, ...timeZone });
    formatters.set(key, made);
  }
  return made;
}
