// Where the access token lives: handed in by the URL's fragment or the login view, kept for this tab only.

const STORAGE_KEY = "voicegateway.token";
const FRAGMENT_NAME = "token";

/** The token of this tab, or null. */
export function storedToken(): string | null {
  return storage()?.getItem(STORAGE_KEY) ?? null;
}

/** Keep the token until the tab closes; null forgets it. */
export function storeToken(token: string | null): void {
  if (token === null) storage()?.removeItem(STORAGE_KEY);
  else storage()?.setItem(STORAGE_KEY, token);
}

/**
 * Take `#token=…` out of the address bar and the history entry, and return it.
 * A fragment never reaches a server or its logs; it must not stay on screen or in a bookmark either.
 */
export function takeTokenFromUrl(): string | null {
  const fragment = new URLSearchParams(location.hash.slice(1));
  const token = fragment.get(FRAGMENT_NAME);
  if (token === null) return null;
  fragment.delete(FRAGMENT_NAME);
  const rest = fragment.toString();
  history.replaceState(history.state, "", `${location.pathname}${location.search}${rest && `#${rest}`}`);
  return token.trim() || null;
}

/** Null where the browser forbids storage: the token then lives until the page is reloaded. */
function storage(): Storage | null {
  try {
    return sessionStorage;
  } catch (cause) {
    if (cause instanceof DOMException) return null;
    throw cause;
  }
}
