// A difference: its sign is always said.
import { exactUsd, formatUsd, type PicoUsd } from "../lib/money";

export function Signed({ of }: { readonly of: PicoUsd }) {
  const exact = exactUsd(of);
  return (
    <data className="amount" value={exact} title={`${exact} USD`}>
      {of > 0n && "+"}
      {formatUsd(of)}
    </data>
  );
}
