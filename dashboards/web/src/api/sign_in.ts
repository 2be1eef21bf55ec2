// Who is signed in, and how to sign in and out.
import type { Question } from "./client";
import { instant, listOf, optional, shape, text, type Decoder } from "./decode";

const visitor = shape({
  actor: text,
  name: text,
  role: text,
  /** Null: all of them. */
  projects: optional(listOf(text)),
  expires_at: optional(instant),
  csrf_token: optional(text),
});
const options = shape({ oidc: optional(shape({ name: text })), signed_in: optional(visitor) });

export type Visitor = typeof visitor extends Decoder<infer T> ? T : never;
export type SignInOptions = typeof options extends Decoder<infer T> ? T : never;

/** Asked first, before anybody is signed in. */
export const signInOptions: Question<SignInOptions> = { path: "sign-in/options", query: {}, decode: options };

export function signInWith(token: string): Question<Visitor> {
  return { path: "sign-in", query: {}, order: { token }, decode: visitor };
}

export const signOutOrder: Question<unknown> = { path: "sign-out", query: {}, order: {}, decode: shape({}) };

/** Where the company's own sign-in begins; it comes back to the page that is open. */
export function companySignIn(fragment: string): string {
  return `/api/v1/sign-in/oidc?${new URLSearchParams({ to: `/${fragment}` }).toString()}`;
}
