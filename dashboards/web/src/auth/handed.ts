// What the address hands in: a token to sign in with, or why a sign-in elsewhere failed. Neither stays there.

/** Taken out of the address bar and the history entry; null: there was none. */
export interface Handed {
  readonly token: string | null;
  readonly problem: string | null;
}

const NOTHING: Handed = { token: null, problem: null };

/**
 * Take `#token=…` and `#problem=…` out of the address, and return them.
 * A fragment never reaches a server or its logs; a token must not stay on screen or in a bookmark either.
 */
export function takeFromUrl(): Handed {
  const fragment = new URLSearchParams(location.hash.slice(1));
  const token = fragment.get("token")?.trim() ?? "";
  const problem = fragment.get("problem") ?? "";
  if (!fragment.has("token") && !fragment.has("problem")) return NOTHING;
  fragment.delete("token");
  fragment.delete("problem");
  const rest = fragment.toString();
  history.replaceState(history.state, "", `${location.pathname}${location.search}${rest && `#${rest}`}`);
  return { token: token === "" ? null : token, problem: problem === "" ? null : problem };
}
