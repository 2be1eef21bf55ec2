// Who and what has a way in: tokens, sign-ins, vendors' keys, versions of the configuration, and the record of changes.
import type { Question } from "./client";
import { count, flag, instant, listOf, optional, shape, text, type Decoder } from "./decode";
import type { Report } from "./report";

/** What an administrator looks at changes by hand, not by the second. */
const EVERY_MS = 10_000;
const ROWS = "50";

const projects = optional(listOf(text));

const token = shape({
  id: text,
  name: text,
  role: text,
  projects,
  created_at: optional(instant),
  expires_at: optional(instant),
  last_used_at: optional(instant),
  revoked_at: optional(instant),
});
const tokens = shape({ tokens: listOf(token) });
const newToken = shape({ id: text, token: text });
export type Tokens = typeof tokens extends Decoder<infer T> ? T : never;
export type Token = Tokens["tokens"][number];
export type NewToken = typeof newToken extends Decoder<infer T> ? T : never;

export const tokensReport: Report<Tokens> = {
  key: ["tokens"],
  question: () => ({ path: "tokens", query: { limit: "200" }, decode: tokens }),
  everyMs: EVERY_MS,
};

export interface TokenWish {
  readonly name: string;
  readonly role: string;
  /** Null: all. */
  readonly projects: readonly string[] | null;
  readonly expires_at: string | null;
}

export function createToken(wish: TokenWish): Question<NewToken> {
  return { path: "tokens", query: {}, order: wish, decode: newToken };
}

export function revokeToken(id: string): Question<unknown> {
  return { path: `tokens/${encodeURIComponent(id)}`, query: {}, takesAway: true, decode: shape({}) };
}

const signIn = shape({
  id: text,
  name: text,
  role: text,
  projects,
  created_at: instant,
  last_seen_at: optional(instant),
  expires_at: optional(instant),
  is_current: flag,
});
const signIns = shape({ sign_ins: listOf(signIn) });
export type SignIns = typeof signIns extends Decoder<infer T> ? T : never;
export type SignIn = SignIns["sign_ins"][number];

export const signInsReport: Report<SignIns> = {
  key: ["sign-ins"],
  question: () => ({ path: "sign-ins", query: { limit: ROWS }, decode: signIns }),
  everyMs: EVERY_MS,
};

export function endSignIn(id: string): Question<unknown> {
  return { path: `sign-ins/${encodeURIComponent(id)}`, query: {}, takesAway: true, decode: shape({}) };
}

const key = shape({
  id: text,
  provider: text,
  note: text,
  masked: text,
  fingerprint: text,
  projects,
  source: text,
  /** Kept in the vault; the others are read from a variable or a file, which `reads` names. */
  is_sealed: flag,
  reads: text,
  state: text,
  problem: text,
  /** Null while Redis is away. */
  holders: optional(count),
  created_at: optional(instant),
  rotated_at: optional(instant),
});
const keys = shape({ keys: listOf(key) });
export type Keys = typeof keys extends Decoder<infer T> ? T : never;
export type VendorKey = Keys["keys"][number];

export const keysReport: Report<Keys> = {
  key: ["keys"],
  question: () => ({ path: "keys", query: { limit: "200" }, decode: keys }),
  everyMs: EVERY_MS,
};

export function revokeKey(id: string): Question<unknown> {
  return { path: `keys/${encodeURIComponent(id)}`, query: {}, takesAway: true, decode: shape({}) };
}

const layerProblem = shape({ layer: text, kind: text, place: text, problem: text });
const version = shape({
  number: count,
  at: instant,
  actor: text,
  layer: text,
  kinds: listOf(text),
  summary: text,
});
const configStatus = shape({ problems: listOf(layerProblem) });
const configVersions = shape({ versions: listOf(version) });
export type ConfigStatus = typeof configStatus extends Decoder<infer T> ? T : never;
export type ConfigVersions = typeof configVersions extends Decoder<infer T> ? T : never;
export type ConfigVersion = ConfigVersions["versions"][number];

export const configStatusReport: Report<ConfigStatus> = {
  key: ["config", "status"],
  question: () => ({ path: "config/status", query: {}, decode: configStatus }),
};
export const configVersionsReport: Report<ConfigVersions> = {
  key: ["config", "versions"],
  question: () => ({ path: "config/versions", query: { limit: ROWS }, decode: configVersions }),
  everyMs: EVERY_MS,
};

export function rollBack(number: number): Question<unknown> {
  return { path: `config/versions/${number}/rollback`, query: {}, order: {}, decode: shape({}) };
}

/** JSON as it was recorded; what it holds depends on what was changed. */
const document: Decoder<unknown> = (value) => value;
const record = shape({
  number: count,
  at: instant,
  actor: text,
  actor_name: optional(text),
  action: text,
  resource: text,
  project: text,
  reason: text,
  before: document,
  after: document,
});
const audit = shape({ records: listOf(record) });
export type Audit = typeof audit extends Decoder<infer T> ? T : never;
export type AuditRecord = Audit["records"][number];

export const auditReport: Report<Audit> = {
  key: ["audit"],
  question: () => ({ path: "audit", query: { limit: ROWS }, decode: audit }),
  everyMs: EVERY_MS,
};
export const AUDIT_FILE = "/api/v1/audit/export?format=csv";
