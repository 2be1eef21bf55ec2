// The colour of a series, beside its name.
export function Swatch({ slot }: { readonly slot: number }) {
  return (
    <svg className="swatch" viewBox="0 0 10 10" aria-hidden="true">
      <rect width="10" height="10" rx="3" fill={`var(--series-${slot})`} />
    </svg>
  );
}
