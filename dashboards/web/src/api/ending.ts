// Ends a running call: the agent says a sentence first.
import type { Question } from "./client";
import { shape } from "./decode";

// The controller refuses longer ones: a caller listens to it.
export const SENTENCE_CHARS_MAX = 300;

/** An empty sentence leaves the words to the controller. */
export function endSession(sessionId: string, sentence: string): Question<unknown> {
  return {
    path: `sessions/${encodeURIComponent(sessionId)}/end`,
    query: {},
    order: { ...(sentence === "" ? {} : { sentence }), reason: "ended from the dashboard" },
    decode: shape({}),
  };
}
