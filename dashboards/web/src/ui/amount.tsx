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
