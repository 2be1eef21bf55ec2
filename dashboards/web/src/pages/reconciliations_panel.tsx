// The newest reconciliation of each vendor and month: who bills what, and how much of the difference is wrong.
import { useState } from "react";
import { lastDone, newestOfMonths, runsReport, type Run, type RunTotals } from "../api/reconciliations";
import { useReport } from "../api/report";
import { formatDay, formatInstant, type Zone } from "../lib/time";
import { Amount } from "../ui/amount";
import { Panel } from "../ui/panel";
import { Signed } from "../ui/signed";
import { Table, type Column } from "../ui/table";
import { linkTo } from "./page";
import { RunState } from "./run_state";

export function ReconciliationsPanel({ zone }: { readonly zone: Zone }) {
  const [cursor, setCursor] = useState<string | null>(null);
  const runs = useReport(runsReport(cursor));
  const next = runs.data?.next ?? null;
  return (
    <Panel
      title="Reconciliations"
      note="the newest of each vendor and month"
      what="the reconciliations"
      polled={runs}
      zone={zone}
      isEmpty={(data) => data.reconciliations.length === 0}
      empty={{
        title: "Nothing was reconciled yet",
        hint: (
          <>
            Hold a month against a vendor&apos;s bill: <code>voicegw reconcile openai --month 2026-10</code>
            <br />
            With a key that reads the vendor&apos;s billing it is done every night.
          </>
        ),
      }}
      controls={
        <>
          {cursor !== null && (
            <button
              type="button"
              className="button button-small"
              onClick={() => {
                setCursor(null);
              }}
            >
              Newest runs
            </button>
          )}
          {next !== null && (
            <button
              type="button"
              className="button button-small"
              onClick={() => {
                setCursor(next);
              }}
            >
              Older runs
            </button>
          )}
        </>
      }
    >
      {(data) => (
        <Table
          caption="The newest reconciliation of each vendor and month"
          columns={columnsFor(data.reconciliations, zone)}
          rows={newestOfMonths(data.reconciliations)}
          rowKey={(row) => String(row.number)}
        />
      )}
    </Panel>
  );
}

function columnsFor(runs: readonly Run[], zone: Zone): Column<Run>[] {
  return [
    {
      name: "Bill",
      cell: (row) => (
        <>
          <a href={linkTo("books", String(row.number))}>
            {row.provider} {row.month}
          </a>
          <div className="muted small" title={formatInstant(row.started_at, zone)}>
            #{row.number} · {row.source} · {formatDay(row.started_at, zone)}
          </div>
          <div className="phone-only">
            <RunState of={row} />
          </div>
        </>
      ),
    },
    { name: "State", kind: "wrap", wideOnly: true, cell: (row) => <StateOf run={row} runs={runs} /> },
    amountColumn("Vendor", (totals) => <Amount of={totals.vendor_usd} />, true),
    amountColumn("Ours", (totals) => <Amount of={totals.ours_usd} />, true),
    amountColumn("Difference", (totals) => <Signed of={totals.difference_usd} />, true),
    amountColumn("Drift", (totals) => (
      <>
        <Drift of={totals} />
        <div className="phone-only muted small">
          differs by <Signed of={totals.difference_usd} />
        </div>
      </>
    )),
  ];
}

function amountColumn(name: string, cell: (totals: RunTotals) => React.ReactNode, wideOnly = false): Column<Run> {
  return {
    name,
    kind: "number",
    wideOnly,
    cell: ({ report }) => (report === null ? <span className="muted">–</span> : cell(report)),
  };
}

function StateOf({ run, runs }: { readonly run: Run; readonly runs: readonly Run[] }) {
  const done = run.report === null ? lastDone(runs, run) : null;
  const words = run.state === "failed" ? run.error : run.state === "running" ? run.step : "";
  return (
    <>
      <RunState of={run} />
      {words !== "" && <div className="muted small">{words}</div>}
      {done !== null && (
        <div className="small">
          <a href={linkTo("books", String(done.number))}>Last that came to an end: #{done.number}</a>
        </div>
      )}
    </>
  );
}

/** What is wrong, and how much of that nothing explains. */
export function Drift({ of }: { readonly of: RunTotals }) {
  return (
    <>
      <span className={of.is_within ? undefined : "drift-over"}>
        <Amount of={of.drift_usd} />
      </span>
      {of.unexplained_usd > 0n && (
        <div className="muted small" title="No rule explains it: look at its cells.">
          <Amount of={of.unexplained_usd} /> unexplained
        </div>
      )}
    </>
  );
}
