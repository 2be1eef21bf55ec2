// How counts, shares and usage are written.
import { formatDuration } from "./time";

const grouped = new Intl.NumberFormat("en-US");
const compact = new Intl.NumberFormat("en-US", { notation: "compact", maximumFractionDigits: 1 });

export type Usage = Readonly<Record<string, number>>;

/** "12,345". */
export function formatCount(count: number): string {
  return grouped.format(count);
}

/** Tenths of a percent as text: 333 → "33.3%". */
export function formatPerMille(perMille: number): string {
  return `${Math.floor(perMille / 10)}.${perMille % 10}%`;
}

/** "1 request", "2 requests". */
export function plural(count: number, one: string, many = `${one}s`): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`;
}

/** The meters people compare, in words: "3 m 07 s audio · 12.4K tokens in · 380 out". */
export function formatUsage(usage: Usage): string {
  const parts: string[] = [];
  const audio = usage.audio_sent_ms;
  const input = usage.input_tokens;
  const output = usage.output_tokens;
  const characters = usage.characters_sent;
  if (isSome(audio)) parts.push(`${formatDuration(audio)} audio`);
  if (isSome(input)) parts.push(`${compact.format(input)} tokens in`);
  if (isSome(output)) parts.push(`${compact.format(output)} out`);
  if (isSome(characters)) parts.push(`${compact.format(characters)} characters`);
  return parts.join(" · ");
}

/** Every meter with its whole quantity, for the title. */
export function usageDetail(usage: Usage): string {
  const lines = Object.entries(usage).sort(([left], [right]) => left.localeCompare(right));
  return lines.map(([meter, quantity]) => `${meter}: ${formatCount(quantity)}`).join("\n");
}

/** Ids keep both ends, which is where they differ: "019a5f3c…77b2c1". */
export function shortId(id: string): string {
  return id.length <= 18 ? id : `${id.slice(0, 9)}…${id.slice(-6)}`;
}

function isSome(quantity: number | undefined): quantity is number {
  return quantity !== undefined && quantity > 0;
}
