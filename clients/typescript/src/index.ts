/** A typed client of VoiceGateway's admin API: every route of `paths`, and live events. */
import createClient, { type Client } from "openapi-fetch";

import type { components, paths } from "./schema.js";

export type { components, paths };
export type VoiceGateway = Client<paths>;
export type LiveEvent = components["schemas"]["EventRow"];
export type Problem = components["schemas"]["Problem"];

export interface Options {
  /** The controller's address, such as `https://voicegateway.example`. */
  url: string;
  /** A token, `vgw_…`. */
  token: string;
}

export interface Listening {
  kind?: string[];
  project?: string;
  session?: string;
  /** Begin with so many events that were. */
  replay?: number;
  signal?: AbortSignal;
}

const PAUSE_MS = 2_000;

/** Return a client: `const { data, error } = await gateway.GET("/api/v1/costs", { params: { query: { by: "project" } } })`. */
export function voiceGateway({ url, token }: Options): VoiceGateway {
  return createClient<paths>({ baseUrl: url.replace(/\/$/, ""), headers: { Authorization: `Bearer ${token}` } });
}

/** Yield live events until the signal aborts; a stream that breaks off goes on where it was. */
export async function* events({ url, token }: Options, listening: Listening = {}): AsyncGenerator<LiveEvent> {
  const { kind = [], signal, replay, ...names } = listening;
  const query = new URLSearchParams(Object.entries(names).filter((each): each is [string, string] => !!each[1]));
  for (const each of kind) query.append("kind", each);
  if (replay) query.set("replay", String(replay));
  let last = "";
  while (!signal?.aborted) {
    const headers: Record<string, string> = { Authorization: `Bearer ${token}`, Accept: "text/event-stream" };
    if (last) headers["Last-Event-ID"] = last;
    try {
      const response = await fetch(`${url.replace(/\/$/, "")}/api/v1/events?${query}`, { headers, signal });
      if (!response.ok) {
        const problem = (await response.json()) as Problem;
        if (response.status < 500 && response.status !== 429) throw new Refused(problem);
      } else if (response.body) {
        for await (const { event, data } of messages(response.body)) {
          if (event === "gap") continue;
          const document = JSON.parse(data) as LiveEvent & { code?: string; detail?: string };
          if (event === "end") {
            if (document.code !== "closing") {
              throw new Refused({
                type: "", title: "", status: 401, code: document.code ?? "", detail: document.detail ?? "",
              });
            }
            break;
          }
          last = document.id;
          yield document;
        }
      }
    } catch (error) {
      if (error instanceof Refused || signal?.aborted) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}

/** The controller refused; `problem.code` is stable. */
export class Refused extends Error {
  constructor(readonly problem: Problem) {
    super(`${problem.status} ${problem.code}: ${problem.detail}`);
  }
}

async function* messages(body: ReadableStream<Uint8Array>): AsyncGenerator<{ event: string; data: string }> {
  const reader = body.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>).getReader();
  let buffer = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      buffer += value;
      const parts = buffer.split("\n\n");
      buffer = parts.pop() ?? "";
      for (const part of parts) {
        const fields = part.split("\n").map((line) => line.split(/: (.*)/s));
        const data = fields.find(([name]) => name === "data")?.[1];
        if (data) yield { event: fields.find(([name]) => name === "event")?.[1] ?? "", data };
      }
    }
  } finally {
    await reader.cancel();
  }
}
