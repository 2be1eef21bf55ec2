// One bar of a waterfall. SVG attributes, for a style attribute would need a wider CSP.
import type { Bar } from "../lib/waterfall";

export interface WaterfallBarProps {
  readonly bar: Bar;
  readonly zero: number;
  readonly tone: "calm" | "more" | "less" | "whole";
}

// An amount that is not zero is seen, however small it is beside the others.
const LEAST = 6;

/** Decoration only: the amount stands beside it. */
export function WaterfallBar({ bar, zero, tone }: WaterfallBarProps) {
  const width = Math.max(bar.to - bar.from, LEAST);
  return (
    <svg className={`fall fall-${tone}`} viewBox="0 0 1000 20" preserveAspectRatio="none" aria-hidden="true">
      <rect className="fall-zero" x={Math.min(zero, 998)} width="2" height="20" />
      <rect className="fall-bar" x={Math.min(bar.from, 1000 - width)} y="3" width={width} height="14" />
    </svg>
  );
}
