// The figures of the period, and how much of them is in doubt.
import type { ReactNode } from "react";
import { costsReport, type Costs } from "../api/costs";
import { useReport } from "../api/report";
import { formatCount } from "../lib/format";
import { perUnit, type PicoUsd } from "../lib/money";
import { Amount } from "../ui/amount";
import { ESTIMATED_MEANS, UNRATED_MEANS } from "../ui/badge";
import { Answer } from "../ui/state";
import { PERIOD_WORDS, type Scope } from "./scope";

export function Tiles({ period, zone }: Scope) {
  const costs = useReport(costsReport("provider", period, zone));
  return (
    <section className={costs.data === undefined ? "card" : undefined} aria-label={`Figures, ${PERIOD_WORDS[period]}`}>
      <Answer what="the figures" polled={costs} zone={zone} isEmpty={() => false} empty={NEVER_EMPTY}>
        {(data) => <Figures costs={data} words={PERIOD_WORDS[period]} />}
      </Answer>
    </section>
  );
}

const NEVER_EMPTY = { title: "", hint: "" };

function Figures({ costs, words }: { readonly costs: Costs; readonly words: string }) {
  const { total } = costs;
  const hasUnrated = total.unrated_requests > 0;
  return (
    <div className="tiles">
      <Tile label={`Spend, ${words}`} tone="main" note={hasUnrated ? "at least: some requests have no price yet" : null}>
        <Amount of={total.amount_usd} />
      </Tile>
      <Tile label="Requests" note={<Per amount={total.amount_usd} count={total.requests} noun="request" />}>
        {formatCount(total.requests)}
      </Tile>
      {total.sessions !== null && (
        <Tile label="Sessions" note={<Per amount={total.amount_usd} count={total.sessions} noun="session" />}>
          {formatCount(total.sessions)}
        </Tile>
      )}
      <Tile
        label="Estimated"
        tone={total.estimated_requests > 0 ? "warn" : "plain"}
        title={ESTIMATED_MEANS}
        note={total.estimated_requests > 0 ? "requests counted on our side" : "the vendors reported all usage"}
      >
        {formatCount(total.estimated_requests)}
      </Tile>
      <Tile
        label="Unrated"
        tone={hasUnrated ? "bad" : "plain"}
        title={UNRATED_MEANS}
        note={hasUnrated ? "requests without a price" : "every request has a price"}
      >
        {formatCount(total.unrated_requests)}
      </Tile>
    </div>
  );
}

interface TileProps {
  readonly label: string;
  readonly tone?: "plain" | "main" | "warn" | "bad";
  readonly title?: string;
  readonly note: ReactNode;
  readonly children: ReactNode;
}

function Tile({ label, tone = "plain", title, note, children }: TileProps) {
  return (
    <div className={`card tile tile-${tone}`} role="group" aria-label={label} title={title}>
      <div className="tile-label">{label}</div>
      <div className="tile-figure">{children}</div>
      <div className="tile-note">{note}</div>
    </div>
  );
}

function Per({ amount, count, noun }: { readonly amount: PicoUsd; readonly count: number; readonly noun: string }) {
  const each = perUnit(amount, count);
  if (each === null) return null;
  return (
    <>
      <Amount of={each} /> per {noun}
    </>
  );
}
