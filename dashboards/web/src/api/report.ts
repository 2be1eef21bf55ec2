// One hook behind every panel: asks every two seconds, keeps the last answer, stops while the tab is hidden.
import { keepPreviousData, useQuery, type UseQueryResult } from "@tanstack/react-query";
import { useSession } from "../auth/session";
import type { ApiProblem} from "./client";
import { atController } from "./clock";
import { ask, type Question } from "./client";

/** A report the page polls. `key` names it and all it depends on; the question is made anew at each poll. */
export interface Report<T> {
  readonly key: readonly string[];
  readonly question: (now: number) => Question<T>;
  /** How long after an answer or a problem it is asked again; else as soon as figures change. */
  readonly everyMs?: number;
}

export const POLL_MS = 2_000;
// While the controller is away there is nothing to see at two seconds, and it has enough to do coming back.
export const POLL_AFTER_PROBLEM_MS = 5_000;

/** The report's latest answer, and the problem of the last poll if it failed. */
export function useReport<T>(report: Report<T>): UseQueryResult<T, ApiProblem> {
  const session = useSession();
  return useQuery<T, ApiProblem>({
    queryKey: report.key,
    queryFn: ({ signal }) => ask(report.question(atController(Date.now())), session.csrf, signal),
    placeholderData: keepPreviousData,
    ...(report.everyMs && { refetchInterval: report.everyMs }),
  });
}

/** Polls pause in a hidden tab and resume at once when it is looked at. */
export const pollingOptions = {
  refetchInterval: (query: { readonly state: { readonly status: string } }) =>
    query.state.status === "error" ? POLL_AFTER_PROBLEM_MS : POLL_MS,
  refetchIntervalInBackground: false,
  refetchOnWindowFocus: "always",
  // "always": without a network the poll fails and says so, where the default would silently wait.
  networkMode: "always",
  // The next poll is the retry.
  retry: false,
  gcTime: 60_000,
} as const;
