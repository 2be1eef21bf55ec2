// The mark: four bars of a voice.
export function Logo() {
  return (
    <svg className="logo" viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="8" fill="currentColor" />
      <path d="M8 19v-6M13 23V9M19 20v-8M24 17.5v-3" stroke="var(--surface)" strokeWidth="3" strokeLinecap="round" />
    </svg>
  );
}
