// The app: signed out shows the login view, signed in the pages.
import { QueryCache, QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { lazy, Suspense, useCallback, useEffect, useMemo, useRef, useState } from "react";
import { ApiProblem, ask } from "./api/client";
import { pollingOptions } from "./api/report";
import { signInOptions, signInWith, signOutOrder, type SignInOptions, type Visitor } from "./api/sign_in";
import { takeFromUrl } from "./auth/handed";
import { SessionContext, type Session } from "./auth/session";
import { Frame } from "./pages/frame";

// Who is signed in does not wait for it.
const Login = lazy(() => import("./auth/login").then(({ Login }) => ({ default: Login })));

interface Access {
  /** Null: nobody; undefined: the controller was not asked yet. */
  readonly visitor: Visitor | null | undefined;
  readonly options: SignInOptions | null;
  readonly reason: string | null;
}

export function App() {
  const [access, setAccess] = useState<Access>({ visitor: undefined, options: null, reason: null });

  // One after the other: effects run twice in development, and the second must find the first one's cookie.
  const entering = useRef(Promise.resolve());

  useEffect(() => {
    function enter() {
      entering.current = entering.current.then(firstAccess).then(setAccess);
    }
    enter();
    // A link with a token opened in this very tab changes only the fragment, and loads nothing.
    function onHashChange() {
      if (/[#&](token|problem)=/.test(location.hash)) enter();
    }
    addEventListener("hashchange", onHashChange);
    return () => {
      removeEventListener("hashchange", onHashChange);
    };
  }, []);

  const signIn = useCallback((visitor: Visitor) => {
    setAccess((before) => ({ ...before, visitor, reason: null }));
  }, []);
  const signOut = useCallback((reason: string | null) => {
    setAccess((before) => ({ ...before, visitor: null, reason }));
  }, []);

  const { visitor, options, reason } = access;
  const waiting = <main className="login" aria-busy="true" />;
  if (visitor === undefined) return waiting;
  if (visitor === null) {
    return (
      <Suspense fallback={waiting}>
        <Login reason={reason} oidc={options?.oidc ?? null} onVisitor={signIn} />
      </Suspense>
    );
  }
  return <SignedIn key={visitor.csrf_token} visitor={visitor} onSignOut={signOut} />;
}

interface SignedInProps {
  readonly visitor: Visitor;
  readonly onSignOut: (reason: string | null) => void;
}

/** Lives as long as one session: another visitor never sees the answers the last one was given. */
function SignedIn({ visitor, onSignOut }: SignedInProps) {
  const [client] = useState(() => newQueryClient(onSignOut));
  const session = useMemo<Session>(() => {
    const csrf = visitor.csrf_token ?? "";
    function signOut(reason: string | null) {
      // Whether the controller hears it or not, this page forgets; a session it did not hear of ends by itself.
      if (reason === null) void ask(signOutOrder, csrf).catch(() => null);
      onSignOut(reason);
    }
    return { visitor, csrf, signOut };
  }, [visitor, onSignOut]);
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

/** Who the visitor is: by the token in the address if there is one, else by the cookie. */
async function firstAccess(): Promise<Access> {
  const { token, problem } = takeFromUrl();
  const [entered, options] = await Promise.all([
    token === null ? null : answerOf(ask(signInWith(token), null)),
    answerOf(ask(signInOptions, null)),
  ]);
  const told = options instanceof ApiProblem ? null : options;
  if (entered instanceof ApiProblem) return { visitor: null, options: told, reason: entered.message };
  const visitor = entered ?? told?.signed_in ?? null;
  return { visitor, options: told, reason: problem ?? (options instanceof ApiProblem ? options.message : null) };
}

async function answerOf<T>(asked: Promise<T>): Promise<T | ApiProblem> {
  try {
    return await asked;
  } catch (cause) {
    if (cause instanceof ApiProblem) return cause;
    throw cause;
  }
}
