// The signed-in state every request needs.
import { createContext, useContext } from "react";

export interface Session {
  readonly token: string;
  /** Forget the token and show the login view, with the reason if there is one. */
  readonly signOut: (reason: string | null) => void;
}

export const SessionContext = createContext<Session | null>(null);

/** The session of the page. Only what is drawn behind the login may call it. */
export function useSession(): Session {
  const session = useContext(SessionContext);
  if (session === null) throw new Error("useSession is called outside the signed-in part of the page");
  return session;
}
