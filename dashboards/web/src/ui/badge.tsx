// Small labels for what deserves a second look.
import type { ReactNode } from "react";
import { formatCount, plural } from "../lib/format";

export type Tone = "neutral" | "good" | "warn" | "bad";

export interface BadgeProps {
  readonly tone: Tone;
  readonly title?: string;
  readonly withDot?: boolean;
  readonly children: ReactNode;
}

export function Badge({ tone, title, withDot = false, children }: BadgeProps) {
  return (
    <span className={tone === "neutral" ? "badge" : `badge badge-${tone}`} title={title}>
      {withDot && <span className="dot" aria-hidden="true" />}
      {children}
    </span>
  );
}

export const ESTIMATED_MEANS = "The vendor never reported this usage, so it was counted on our side.";
export const UNRATED_MEANS = "No price is known for this usage, so the amount is too low until one arrives.";

export interface DoubtsProps {
  readonly estimated: number;
  readonly unrated: number;
  readonly errors?: number;
}

/** How many requests behind a figure are estimated, unrated or failed; nothing when all is well. */
export function Doubts({ estimated, unrated, errors = 0 }: DoubtsProps) {
  if (estimated + unrated + errors === 0) return null;
  return (
    <span className="badges">
      {unrated > 0 && (
        <Badge tone="bad" title={UNRATED_MEANS}>
          {formatCount(unrated)} unrated
        </Badge>
      )}
      {estimated > 0 && (
        <Badge tone="warn" title={ESTIMATED_MEANS}>
          {formatCount(estimated)} estimated
        </Badge>
      )}
      {errors > 0 && <Badge tone="neutral">{plural(errors, "error")}</Badge>}
    </span>
  );
}
