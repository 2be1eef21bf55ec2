// Loading, empty and error: the states every panel shows, decided in one place.
import type { UseQueryResult } from "@tanstack/react-query";
import type { ReactNode } from "react";
import type { ApiProblem, ProblemKind } from "../api/client";
import { formatClock, type Zone } from "../lib/time";

/** What a panel polls; a part of react-query's result. */
export type Polled<T> = Pick<
  UseQueryResult<T, ApiProblem>,
  "data" | "error" | "dataUpdatedAt" | "isPlaceholderData" | "refetch"
>;

export interface AnswerProps<T> {
  /** The noun, for "Loading …" and "… cannot be shown". */
  readonly what: string;
  readonly polled: Polled<T>;
  readonly zone: Zone;
  readonly isEmpty: (data: T) => boolean;
  /** What it means that there is nothing, and what to do. */
  readonly empty: EmptyProps;
  readonly children: (data: T) => ReactNode;
}

export interface EmptyProps {
  readonly title: string;
  readonly hint: ReactNode;
}

/** Draws the data once there is some, and keeps drawing the last of it, marked as old, when a poll fails. */
export function Answer<T>({ what, polled, zone, isEmpty, empty, children }: AnswerProps<T>) {
  const { data, error, dataUpdatedAt, isPlaceholderData } = polled;
  if (data === undefined) {
    return error === null ? <Loading what={what} /> : <Problem what={what} problem={error} retry={polled.refetch} />;
  }
  return (
    <>
      {error !== null && (
        <p className="stale" role="alert">
          <strong>{error.message}</strong>
          {dataUpdatedAt > 0 && <span>Figures of {formatClock(dataUpdatedAt, zone, "second")}.</span>}
        </p>
      )}
      <div className={isPlaceholderData || error !== null ? "is-old" : undefined} aria-busy={isPlaceholderData}>
        {isEmpty(data) ? <Empty {...empty} /> : children(data)}
      </div>
    </>
  );
}

const SKELETON_BARS = ["first", "second", "third", "fourth"];

function Loading({ what }: { readonly what: string }) {
  return (
    <div className="skeleton" role="status">
      <span className="visually-hidden">Loading {what}…</span>
      {SKELETON_BARS.map((bar) => (
        <div key={bar} className="skeleton-bar" aria-hidden="true" />
      ))}
    </div>
  );
}

function Empty({ title, hint }: EmptyProps) {
  return (
    <div className="state">
      <p className="state-title">{title}</p>
      <p>{hint}</p>
    </div>
  );
}

interface ProblemProps {
  readonly what: string;
  readonly problem: ApiProblem;
  readonly retry: () => Promise<unknown>;
}

function Problem({ what, problem, retry }: ProblemProps) {
  return (
    <div className="state state-problem" role="alert">
      <p className="state-title">{problem.message}</p>
      <p>
        {upperFirst(what)} cannot be shown. {NEXT_STEP[problem.kind]}
      </p>
      <button type="button" className="button" onClick={() => void retry()}>
        Try again now
      </button>
    </div>
  );
}

const NEXT_STEP: Readonly<Record<ProblemKind, string>> = {
  unauthorized: "Sign in again.",
  forbidden: "Ask for a token that may read it.",
  refused: "Reload the page; if that does not help, the dashboard and the controller are of different versions.",
  malformed: "Reload the page; if that does not help, the dashboard and the controller are of different versions.",
  unavailable: "The page keeps asking and recovers by itself.",
  unreachable: "The page keeps asking and recovers by itself.",
};

function upperFirst(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
