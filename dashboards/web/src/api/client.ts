// The one caller of fetch: proves whose page asks, bounds the wait, and turns every failure into an ApiProblem.
import { noteAnswer } from "./clock";
import { MalformedAnswer, type Decoder } from "./decode";

/** What to ask: a path under /api/v1 with its query, and how to read the answer. */
export interface Question<T> {
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  /** What is ordered, sent by POST; a question without it changes nothing. */
  readonly order?: object;
  /** Takes away what is at the path, by DELETE. */
  readonly takesAway?: boolean;
  readonly decode: Decoder<T>;
  /** For what takes longer than reports do. */
  readonly waitMs?: number;
}

export type ProblemKind = "unauthorized" | "forbidden" | "refused" | "unavailable" | "unreachable" | "malformed";

/** A question that got no usable answer. The message is a sentence for people. */
export class ApiProblem extends Error {
  override readonly name = "ApiProblem";
  readonly kind: ProblemKind;
  /** The controller's stable code, or null when the answer did not come from it. */
  readonly code: string | null;

  constructor(kind: ProblemKind, message: string, code: string | null = null, cause?: unknown) {
    super(message, { cause });
    this.kind = kind;
    this.code = code;
  }
}

// Reports take milliseconds; one that takes this long is an outage, and the next poll asks again.
export const ANSWER_WAIT_MS_MAX = 10_000;

/**
 * Ask the controller, as whom the browser's cookie says. `csrf` is the session's, null before there is one.
 * Throws ApiProblem, or the abort reason when `signal` fires.
 */
export async function ask<T>(question: Question<T>, csrf: string | null, signal?: AbortSignal): Promise<T> {
  const response = await fetched(question, csrf, signal);
  try {
    return question.decode(await response.json(), question.path);
  } catch (cause) {
    signal?.throwIfAborted();
    const detail = cause instanceof MalformedAnswer ? cause.message : "the answer is not JSON";
    throw new ApiProblem("malformed", `The controller's answer was not understood: ${detail}.`, null, cause);
  }
}

/** The answer as it came: a document instead of JSON. Throws as `ask` does. */
export async function fetched<T>(
  question: Question<T>,
  csrf: string | null,
  signal?: AbortSignal,
): Promise<Response> {
  const response = await send(question, csrf, signal);
  noteAnswer(response.headers, Date.now());
  if (!response.ok) throw await problemOf(response);
  return response;
}

async function send<T>(question: Question<T>, csrf: string | null, signal?: AbortSignal): Promise<Response> {
  const query = new URLSearchParams(question.query).toString();
  const waitMs = question.waitMs ?? ANSWER_WAIT_MS_MAX;
  const timeout = AbortSignal.timeout(waitMs);
  try {
    return await fetch(`/api/v1/${question.path}${query && `?${query}`}`, {
      ...requestOf(question, csrf),
      cache: "no-store",
      credentials: "same-origin",
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    });
  } catch (cause) {
    signal?.throwIfAborted();
    const reason = timeout.aborted ? `did not answer within ${waitMs / 1000} s` : "cannot be reached";
    throw new ApiProblem("unreachable", `The controller ${reason}.`, null, cause);
  }
}

function requestOf<T>({ order, takesAway }: Question<T>, csrf: string | null): RequestInit {
  const headers = { Accept: "application/json" };
  if (order === undefined && takesAway !== true) return { headers };
  const proof = csrf === null ? {} : { "X-CSRF-Token": csrf };
  if (order === undefined) return { method: "DELETE", headers: { ...headers, ...proof } };
  const typed = { ...headers, ...proof, "Content-Type": "application/json" };
  return { method: "POST", headers: typed, body: JSON.stringify(order) };
}

async function problemOf(response: Response): Promise<ApiProblem> {
  const { code, sentence } = await readProblem(response);
  const said = sentence ?? `The controller answered ${response.status}.`;
  if (response.status === 401) {
    return new ApiProblem("unauthorized", sentence ?? "The controller does not know who you are.", code);
  }
  if (response.status === 403) return new ApiProblem("forbidden", said, code);
  return new ApiProblem(response.status >= 500 || response.status === 429 ? "unavailable" : "refused", said, code);
}

/** RFC 9457 if that is what came; a proxy's HTML page otherwise reads as nothing. */
async function readProblem(response: Response): Promise<{ code: string | null; sentence: string | null }> {
  const body: unknown = await response.json().catch(() => null);
  if (typeof body !== "object" || body === null) return { code: null, sentence: null };
  const problem = body as Record<string, unknown>;
  const [code, detail, title] = [problem.code, problem.detail, problem.title].map((field) =>
    typeof field === "string" && field !== "" ? field : null,
  );
  return { code: code ?? null, sentence: sentenceOf(detail ?? title ?? null) };
}

/** The controller's details begin in lower case, for the end of a log line; here they begin a line. */
function sentenceOf(text: string | null): string | null {
  return text && text.charAt(0).toUpperCase() + text.slice(1);
}
