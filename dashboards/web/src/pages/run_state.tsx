// How a reconciliation stands, as badges.
import type { Run } from "../api/reconciliations";
import { exactUsd } from "../lib/money";
import { Badge, type Tone } from "../ui/badge";

const STATES: Readonly<Record<string, readonly [Tone, string]>> = {
  running: ["neutral", "running"],
  failed: ["bad", "failed"],
  done: ["neutral", "done"],
};

export function RunState({ of }: { readonly of: Run }) {
  const [tone, word] = STATES[of.state] ?? ["neutral", of.state];
  const { accepted, report } = of;
  return (
    <span className="badges">
      {accepted === null ? (
        <Badge tone={tone} withDot>
          {word}
        </Badge>
      ) : (
        <Badge tone="good" withDot title={`Booked by ${accepted.actor}: ${exactUsd(accepted.booked_usd)} USD`}>
          accepted
        </Badge>
      )}
      {report !== null && !report.is_within && (
        <Badge tone="bad" title={`The drift is more than ${report.threshold}.`}>
          over {report.threshold}
        </Badge>
      )}
      {report?.is_derived === true && (
        <Badge tone="neutral" title="The vendor tells quantities only; its amounts were made with our prices.">
          quantities only
        </Badge>
      )}
    </span>
  );
}
