// The signed-in state every page needs. The browser keeps the session in a cookie that no script can read.
import { createContext, useContext } from "react";
import type { Visitor } from "../api/sign_in";

export interface Session {
  readonly visitor: Visitor;
  /** Sent along with what changes something: proof that this page asks, not another site. */
  readonly csrf: string;
  /** Show the login view, with the reason if the session is over. */
  readonly signOut: (reason: string | null) => void;
}

export const SessionContext = createContext<Session | null>(null);

/** The session of the page. Only what is drawn behind the login may call it. */
export function useSession(): Session {
  const session = useContext(SessionContext);
  if (session === null) throw new Error("useSession is called outside the signed-in part of the page");
  return session;
}
