// What a call's requests used and what is to be known of them, in words. Pure; `voicegw session` says the same.
import type { CallItem, CallLine } from "../api/call";
import { formatCount } from "./format";
import { formatDuration, SECOND_MS } from "./time";

/** "12.34 s audio sent, 380 output tokens", and what was billed of it where that is more. */
export function quantityOf(lines: readonly CallLine[]): string {
  const used = new Map<string, { count: number; billed: number }>();
  for (const { meter, quantity, billed_quantity } of lines) {
    const sums = used.get(meter) ?? { count: 0, billed: 0 };
    used.set(meter, { count: sums.count + quantity, billed: sums.billed + billed_quantity });
  }
  const told: string[] = [];
  for (const [meter, { count, billed }] of used) {
    if (meter === "requests" && used.size > 1) continue;
    const more = billed > count ? ` (billed ${measured(meter, billed)})` : "";
    told.push(`${measured(meter, count)}${wordOf(meter)}${more}`);
  }
  return told.join(", ");
}

/** How it went, how sure its amount is, and why a part of it has no price. */
export function notesOf(item: CallItem): string[] {
  const reasons = item.is_unrated ? item.lines.map((line) => line.unrated_reason).filter((reason) => reason !== null) : [];
  return [...(item.direction === "" ? [] : [item.direction]), ...new Set(reasons)];
}

/** How far into the call: "1:07.3". */
export function offsetOf(at: number | null, start: number | null): string {
  if (at === null || start === null) return "";
  const ms = Math.max(0, at - start);
  const minutes = Math.floor(ms / (60 * SECOND_MS));
  const tenths = Math.floor((ms % (60 * SECOND_MS)) / 100);
  return `${minutes}:${String(Math.floor(tenths / 10)).padStart(2, "0")}.${tenths % 10}`;
}

function measured(meter: string, count: number): string {
  if (!meter.endsWith("_ms")) return formatCount(count);
  return count >= 60 * SECOND_MS ? formatDuration(count) : `${count / SECOND_MS} s`;
}

function wordOf(meter: string): string {
  const word = meter === "participant_ms" ? "" : meter.replace(/_ms$/, "").replaceAll("_", " ");
  return word && ` ${word}`;
}
