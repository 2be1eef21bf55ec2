// How long callers wait for the first byte, per provider and model.
import { latencyReport, type LatencyRow } from "../api/latency";
import { useReport } from "../api/report";
import { formatCount } from "../lib/format";
import { formatDuration } from "../lib/time";
import { Meter } from "../ui/meter";
import { Panel } from "../ui/panel";
import { Table, type Column } from "../ui/table";
import { PERIOD_WORDS, type Scope } from "./scope";

export function LatencyPanel({ period, zone }: Scope) {
  const latency = useReport(latencyReport(period, zone));
  return (
    <Panel
      title="Time to first byte"
      note={PERIOD_WORDS[period]}
      what="latency"
      polled={latency}
      zone={zone}
      isEmpty={(data) => data.rows.length === 0}
      empty={{ title: "No timed requests in this period", hint: "Make a call, or choose a longer period." }}
      isHalf
    >
      {(data) => (
        <Table
          caption={`Time to first byte by provider and model, ${PERIOD_WORDS[period]}`}
          columns={columnsFor(data.rows)}
          rows={[...data.rows].sort(bySlowest)}
          rowKey={keyOf}
        />
      )}
    </Panel>
  );
}

function keyOf({ provider, model, modality }: LatencyRow): string {
  return [provider, model, modality].join("/");
}

function bySlowest(left: LatencyRow, right: LatencyRow): number {
  return (right.ttfb_p95_ms ?? -1) - (left.ttfb_p95_ms ?? -1) || keyOf(left).localeCompare(keyOf(right));
}

function columnsFor(rows: readonly LatencyRow[]): Column<LatencyRow>[] {
  const slowest = Math.max(1, ...rows.map((row) => row.ttfb_p95_ms ?? 0));
  return [
    {
      name: "Model",
      kind: "wrap",
      cell: (row) => (
        <>
          <div>{row.model}</div>
          <div className="muted small">
            {row.provider} · {row.modality}
          </div>
        </>
      ),
    },
    { name: "Requests", kind: "number", wideOnly: true, cell: (row) => formatCount(row.requests) },
    { name: "p50", kind: "number", cell: (row) => duration(row.ttfb_p50_ms) },
    { name: "p95", kind: "number", cell: (row) => duration(row.ttfb_p95_ms) },
    {
      name: "p50 and p95 as bars",
      quiet: true,
      wideOnly: true,
      cell: (row) => (
        <Meter
          solid={((row.ttfb_p50_ms ?? 0) / slowest) * 1000}
          soft={((row.ttfb_p95_ms ?? 0) / slowest) * 1000}
        />
      ),
    },
  ];
}

function duration(ms: number | null): string {
  if (ms === null) return "–";
  // Milliseconds up to ten seconds: the difference between 1.1 s and 1.9 s is a caller hanging up.
  return ms < 10_000 ? `${formatCount(Math.round(ms))} ms` : formatDuration(ms);
}
