// How a budget stands, in a word and as the parts of a bar. Pure.
import { formatPerMille } from "./format";
import { perMille, type PicoUsd } from "./money";

export type StandingTone = "good" | "neutral" | "warn" | "bad";

export interface Standing {
  readonly tone: StandingTone;
  readonly word: string;
  readonly meaning: string;
}

/** The part of a budget that decides its standing. */
export interface Stands {
  readonly state: string;
  readonly window: string;
  readonly action: string;
  readonly thresholds: readonly number[];
  readonly amount_usd: PicoUsd;
  readonly spent_usd: PicoUsd | null;
}

const ACTION_MEANS: Readonly<Record<string, string>> = {
  warn: "Nothing is stopped: its action is to warn.",
  throttle: "It throttles until the reset.",
  block: "New requests are refused until the reset.",
  end_session: "Calls are ended until the reset.",
};

export function standingOf(budget: Stands): Standing {
  const { state, window, action, amount_usd, spent_usd } = budget;
  if (state === "exhausted" || state === "over") {
    const isStopping = state === "exhausted";
    return {
      tone: isStopping ? "bad" : "warn",
      word: state,
      meaning: ACTION_MEANS[action] ?? "",
    };
  }
  if (state === "learning") {
    return {
      tone: "neutral",
      word: "learning",
      meaning: "Redis lost what it knew of this budget, and not every worker has said since what it holds.",
    };
  }
  if (window === "session") {
    return { tone: "neutral", word: "each call", meaning: "Every call has this budget to itself; its worker counts it." };
  }
  if (spent_usd === null) {
    return { tone: "neutral", word: "unknown", meaning: "Neither Redis nor Postgres could be asked what is spent." };
  }
  const reached = crossedOf(budget);
  if (reached === null) return { tone: "good", word: "ok", meaning: "No threshold is reached." };
  const isLast = reached === budget.thresholds.filter((percent) => percent < 100).at(-1);
  return {
    // Half of all budgets are half spent: what is always yellow is not looked at.
    tone: isLast ? "warn" : "good",
    word: `${reached}% reached`,
    meaning: `${formatPerMille(perMille(spent_usd, amount_usd))} of the amount is spent.`,
  };
}

/** The highest threshold that is reached, null when none is. */
function crossedOf({ thresholds, amount_usd, spent_usd }: Stands): number | null {
  if (spent_usd === null) return null;
  return thresholds.filter((percent) => spent_usd * 100n >= amount_usd * BigInt(percent)).at(-1) ?? null;
}

/** A bar in thousandths of its own length; it is longer than the amount where thresholds are. */
export interface Bar {
  readonly spent: number;
  readonly held: number;
  readonly marks: readonly number[];
}

export function barOf(budget: Stands & { readonly reserved_usd: PicoUsd | null }): Bar {
  const percents = new Set([...budget.thresholds, 100]);
  const whole = Math.max(...percents);
  const onBar = (permille: number) => Math.min(1000, Math.round((permille * 100) / whole));
  const spent = budget.spent_usd ?? (0n as PicoUsd);
  const held = (spent + (budget.reserved_usd ?? 0n)) as PicoUsd;
  return {
    spent: onBar(perMille(spent, budget.amount_usd)),
    held: onBar(perMille(held, budget.amount_usd)),
    marks: [...percents].map((percent) => onBar(percent * 10)).filter((mark) => mark < 1000),
  };
}
