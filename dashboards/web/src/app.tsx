// The app: signed out shows the login view, signed in the pages.
import { QueryCache, QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { useCallback, useEffect, useMemo, useState } from "react";
import { ApiProblem } from "./api/client";
import { pollingOptions } from "./api/report";
import { Login } from "./auth/login";
import { SessionContext, type Session } from "./auth/session";
import { storedToken, storeToken, takeTokenFromUrl } from "./auth/token";
import { Frame } from "./pages/frame";

interface Access {
  readonly token: string | null;
  readonly reason: string | null;
}

export function App() {
  const [access, setAccess] = useState<Access>(firstAccess);

  useEffect(() => {
    // A link with a token opened in this very tab changes only the fragment, and loads nothing.
    function onHashChange() {
      const token = takeTokenFromUrl();
      if (token !== null) setAccess(grant(token));
    }
    addEventListener("hashchange", onHashChange);
    return () => {
      removeEventListener("hashchange", onHashChange);
    };
  }, []);

  const signIn = useCallback((token: string) => {
    setAccess(grant(token));
  }, []);
  const signOut = useCallback((reason: string | null) => {
    storeToken(null);
    setAccess({ token: null, reason });
  }, []);

  if (access.token === null) return <Login reason={access.reason} onToken={signIn} />;
  return <SignedIn key={access.token} token={access.token} onSignOut={signOut} />;
}

interface SignedInProps {
  readonly token: string;
  readonly onSignOut: (reason: string | null) => void;
}

/** Lives as long as one token: another token never sees the answers the last one was given. */
function SignedIn({ token, onSignOut }: SignedInProps) {
  const [client] = useState(() => newQueryClient(onSignOut));
  const session = useMemo<Session>(() => ({ token, signOut: onSignOut }), [token, onSignOut]);
  return (
    <SessionContext value={session}>
      <QueryClientProvider client={client}>
        <Frame />
      </QueryClientProvider>
    </SessionContext>
  );
}

function newQueryClient(onSignOut: (reason: string) => void): QueryClient {
  const queryCache = new QueryCache({
    onError: (problem) => {
      if (problem instanceof ApiProblem && problem.kind === "unauthorized") onSignOut(problem.message);
    },
  });
  return new QueryClient({ queryCache, defaultOptions: { queries: pollingOptions } });
}

function firstAccess(): Access {
  const handed = takeTokenFromUrl();
  return handed === null ? { token: storedToken(), reason: null } : grant(handed);
}

function grant(token: string): Access {
  storeToken(token);
  return { token, reason: null };
}
