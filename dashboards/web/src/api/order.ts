// One hook behind every button that changes something: sends the order, says why it was refused, ends with the session.
import { useState } from "react";
import { useSession } from "../auth/session";
import { ApiProblem, ask, type Question } from "./client";

export interface Ordering {
  /** Why the last order was refused, null while there is nothing to say. */
  readonly problem: string | null;
  readonly isBusy: boolean;
  /** Send an order; its answer, or null when it was refused. */
  readonly send: <T>(order: Question<T>) => Promise<T | null>;
}

export function useOrder(): Ordering {
  const { csrf, signOut } = useSession();
  const [problem, setProblem] = useState<string | null>(null);
  const [isBusy, setBusy] = useState(false);

  async function send<T>(order: Question<T>): Promise<T | null> {
    setBusy(true);
    setProblem(null);
    try {
      return await ask(order, csrf);
    } catch (cause) {
      if (!(cause instanceof ApiProblem)) throw cause;
      if (cause.kind === "unauthorized") signOut(cause.message);
      setProblem(cause.message);
      return null;
    } finally {
      setBusy(false);
    }
  }

  return { problem, isBusy, send };
}
