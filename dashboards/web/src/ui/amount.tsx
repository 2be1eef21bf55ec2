// An amount of money: short to read, exact in its title and value.
import { exactUsd, formatUsd, type PicoUsd } from "../lib/money";

export function Amount({ of }: { readonly of: PicoUsd }) {
  const exact = exactUsd(of);
  return (
    <data className="amount" value={exact} title={`${exact} USD`}>
      {formatUsd(of)}
    </data>
  );
}

export interface Sums {
  readonly amount_usd: PicoUsd;
  readonly requests: number;
  readonly unrated_requests: number;
}

/** The amount of some requests; where none of them has a price that is said, for $0.00 would be a lie. */
export function AmountOf({ sums }: { readonly sums: Sums }) {
  const hasNoPrice = sums.amount_usd === 0n && sums.requests > 0 && sums.unrated_requests === sums.requests;
  if (!hasNoPrice) return <Amount of={sums.amount_usd} />;
  const exact = exactUsd(sums.amount_usd);
  return (
    <data className="muted" value={exact} title={`${exact} USD`}>
      no price
    </data>
  );
}
