// Spend over time, stacked by provider, model or project.
import { lazy, Suspense, useMemo, useState } from "react";
import type { Dimension } from "../api/costs";
import { useReport } from "../api/report";
import { spendReport, type Spend } from "../api/spend";
import { Swatch } from "../charts/swatch";
import { formatUsd, perMille } from "../lib/money";
import { formatPerMille } from "../lib/format";
import { ColourSlots, stackSpend, type Series, type Stack } from "../lib/series";
import { formatInstant, type Bucket, type Zone } from "../lib/time";
import { Amount } from "../ui/amount";
import { Panel } from "../ui/panel";
import { Segmented } from "../ui/segmented";
import { DIMENSION_NAMES } from "./breakdown_panel";
import { PERIOD_WORDS, type Scope } from "./scope";

// The chart library weighs more than the rest of the page; the figures do not wait for it.
const SpendBars = lazy(() => import("../charts/spend_bars").then((chart) => ({ default: chart.SpendBars })));

const BUCKETS: Readonly<Record<Bucket, string>> = { minute: "Minutes", hour: "Hours" };

export function SpendPanel({ period, zone }: Scope) {
  const [by, setBy] = useState<Dimension>("provider");
  const [bucket, setBucket] = useState<Bucket>("minute");
  const spend = useReport(spendReport(by, bucket, period, zone));
  return (
    <Panel
      title="Spend over time"
      note={bucket === "minute" ? "last 60 minutes" : PERIOD_WORDS[period]}
      what="spend over time"
      polled={spend}
      zone={zone}
      isEmpty={(data) => data.points.length === 0}
      empty={{ title: "Nothing was spent in this window", hint: "Make a call, or choose a longer one." }}
      controls={
        <>
          <Segmented label="Stack by" choices={DIMENSION_NAMES} value={by} onChange={setBy} />
          <Segmented label="Bucket" choices={BUCKETS} value={bucket} onChange={setBucket} />
        </>
      }
    >
      {(data) => <SpendFigure spend={data} zone={zone} />}
    </Panel>
  );
}

function SpendFigure({ spend, zone }: { readonly spend: Spend; readonly zone: Zone }) {
  const [colours] = useState(() => new ColourSlots());
  const stack = useMemo(() => stackSpend(spend.points, spend.window, spend.bucket), [spend]);
  const slots = colours.slotsFor(stack.series.map((series) => series.key));
  return (
    <figure className="spend">
      <Suspense fallback={<div className="chart skeleton-bar" role="status" aria-label="Loading the chart…" />}>
        <SpendBars stack={stack} slots={slots} zone={zone} summary={summaryOf(stack, spend, zone)} />
      </Suspense>
      <Legend stack={stack} slots={slots} />
    </figure>
  );
}

function summaryOf(stack: Stack, { window, bucket }: Spend, zone: Zone): string {
  const span = `from ${formatInstant(window.since, zone)} to ${formatInstant(window.until, zone)}`;
  return `Spend by ${bucket} ${span}: ${formatUsd(stack.total)} in all.`;
}

function Legend({ stack, slots }: { readonly stack: Stack; readonly slots: readonly number[] }) {
  return (
    <figcaption className="legend">
      <table className="table">
        <caption className="visually-hidden">Spend in this window</caption>
        <thead className="visually-hidden">
          <tr>
            <th scope="col">Series</th>
            <th scope="col">Spend</th>
            <th scope="col">Share</th>
          </tr>
        </thead>
        <tbody>
          {stack.series.map((series, index) => (
            <LegendRow key={series.key} series={series} stack={stack} slot={slots[index] ?? 0} />
          ))}
        </tbody>
        <tfoot>
          <tr>
            <th scope="row">Total</th>
            <td className="number">
              <Amount of={stack.total} />
            </td>
            <td />
          </tr>
        </tfoot>
      </table>
    </figcaption>
  );
}

interface LegendRowProps {
  readonly series: Series;
  readonly stack: Stack;
  readonly slot: number;
}

function LegendRow({ series, stack, slot }: LegendRowProps) {
  return (
    <tr>
      <th scope="row">
        <span className="legend-key" title={series.key}>
          <Swatch slot={slot} />
          <span>{series.key}</span>
        </span>
      </th>
      <td className="number">
        <Amount of={series.total} />
      </td>
      <td className="number muted">{formatPerMille(perMille(series.total, stack.total))}</td>
    </tr>
  );
}
