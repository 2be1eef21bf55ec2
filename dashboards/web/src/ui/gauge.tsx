// A budget's bar: spent, then reserved, with a tick at each threshold. SVG, for the same reason as the meter.
import type { Bar, StandingTone } from "../lib/standing";

export interface GaugeProps {
  readonly bar: Bar;
  readonly tone: StandingTone;
}

/** Decoration only: the numbers stand beside it. */
export function Gauge({ bar, tone }: GaugeProps) {
  return (
    <svg className={`gauge gauge-${tone}`} viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true">
      <rect className="gauge-track" y="2" width="1000" height="6" />
      <rect className="gauge-held" y="2" width={bar.held} height="6" />
      <rect className="gauge-spent" y="2" width={bar.spent} height="6" />
      {bar.marks.map((mark) => (
        <rect key={mark} className="gauge-mark" x={mark - 3} width="6" height="10" />
      ))}
    </svg>
  );
}
