// A thin bar for a part of a whole. Drawn as SVG: sizes in a style attribute would need a wider CSP.

export interface MeterProps {
  /** Where the soft part ends, in tenths of a percent; the solid part ends at `solid`. */
  readonly soft?: number;
  readonly solid: number;
}

/** Decoration only: the number stands beside it. */
export function Meter({ soft = 0, solid }: MeterProps) {
  return (
    <svg className="meter" viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true">
      <rect className="meter-track" width="1000" height="10" />
      <rect className="meter-fill-soft" width={soft} height="10" />
      <rect className="meter-fill" width={solid} height="10" />
    </svg>
  );
}
