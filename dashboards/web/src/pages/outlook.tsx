// How fast money is spent, and what that will come to.
import type { Projection } from "../api/budgets";
import { formatUsd, type PicoUsd } from "../lib/money";
import { Amount } from "../ui/amount";

export interface BurnProps {
  readonly of: { readonly burn_last_hour_usd: PicoUsd; readonly burn_last_day_usd: PicoUsd };
}

export function Burn({ of }: BurnProps) {
  return (
    <>
      <Amount of={of.burn_last_hour_usd} />
      <span className="muted"> /h</span>
      <div className="muted small" title="Per hour, over the last 24.">
        mean <Amount of={of.burn_last_day_usd} />
      </div>
    </>
  );
}

const SURENESS: Readonly<Record<string, string>> = {
  good: "As three weeks or more were",
  fair: "As the last week or two were",
  poor: "As if the last day went on",
};

export interface ProjectedProps {
  readonly of: Projection;
  readonly sureness: string;
  /** What it must not come to. */
  readonly limit?: PicoUsd;
}

/** The likely amount; point at it for how it was made and how far it may be off. */
export function Projected({ of, sureness, limit }: ProjectedProps) {
  const isTooMuch = limit !== undefined && of.likely_usd > limit;
  const made = `${SURENESS[sureness] ?? sureness}, if nothing stops it: ${formatUsd(of.low_usd)} to ${formatUsd(of.high_usd)}`;
  return (
    <span className={isTooMuch ? "over" : undefined} title={made}>
      {isTooMuch && <span className="visually-hidden">more than the budget: </span>}
      <Amount of={of.likely_usd} />
    </span>
  );
}
