// One reconciliation: its totals, the waterfall of its difference, its worst cells, and what changed since the run before.
import { useState } from "react";
import { ApiProblem, fetched } from "../api/client";
import { reportFile, runReport, type Run, type RunTotals } from "../api/reconciliations";
import { useReport } from "../api/report";
import { useSession } from "../auth/session";
import { plural } from "../lib/format";
import { formatInstant, type Zone } from "../lib/time";
import { Amount } from "../ui/amount";
import { Panel } from "../ui/panel";
import { Signed } from "../ui/signed";
import { CellsPanel } from "./cells_panel";
import { ChangesPanel } from "./changes_panel";
import { Drift } from "./reconciliations_panel";
import { RunState } from "./run_state";
import { Waterfall } from "./waterfall";

export interface RunViewProps {
  readonly number: string;
  readonly zone: Zone;
}

export function RunView({ number, zone }: RunViewProps) {
  const run = useReport(runReport(number));
  return (
    <>
      <Panel
        title={run.data === undefined ? "Reconciliation" : `${run.data.provider}, ${run.data.month}`}
        note={`reconciliation #${number}`}
        what="the reconciliation"
        polled={run}
        zone={zone}
        isEmpty={() => false}
        empty={{ title: "", hint: "" }}
        controls={run.data?.report && <Download run={run.data} />}
      >
        {(data) => <Totals run={data} zone={zone} />}
      </Panel>
      {run.data?.report && (
        <>
          <CellsPanel number={number} zone={zone} cells={run.data.report.cells} />
          <ChangesPanel number={number} zone={zone} />
        </>
      )}
    </>
  );
}

function Totals({ run, zone }: { readonly run: Run; readonly zone: Zone }) {
  const { report } = run;
  return (
    <div className="run">
      <p className="run-line">
        <RunState of={run} />
        <span className="muted small">
          begun {formatInstant(run.started_at, zone)} by {run.is_nightly ? "the nightly run" : run.actor} · from{" "}
          {run.source}
        </span>
      </p>
      {run.state === "running" && (
        <p role="status">Under way: {run.step || "beginning"}. Figures appear when it is done.</p>
      )}
      {run.error !== "" && (
        <p role="alert" className="problem">
          {run.error}
        </p>
      )}
      {report !== null && (
        <>
          <Figures of={report} />
          {run.accepted !== null && (
            <p className="small">
              Accepted {formatInstant(run.accepted.accepted_at, zone)} by {run.accepted.actor}: corrections of{" "}
              <Signed of={run.accepted.booked_usd} /> make the books say what the vendor billed.
            </p>
          )}
          <Waterfall report={report} />
          <Notes of={report} />
        </>
      )}
    </div>
  );
}

function Figures({ of }: { readonly of: RunTotals }) {
  return (
    <dl className="figures">
      <div>
        <dt>Vendor</dt>
        <dd>
          <Amount of={of.vendor_usd} />
        </dd>
      </div>
      <div>
        <dt>Ours</dt>
        <dd>
          <Amount of={of.ours_usd} />
        </dd>
      </div>
      <div>
        <dt>Difference</dt>
        <dd>
          <Signed of={of.difference_usd} />
        </dd>
      </div>
      <div title={`What is wrong in the books or on the bill; at most ${of.threshold} is let pass.`}>
        <dt>Drift</dt>
        <dd>
          <Drift of={of} />
        </dd>
      </div>
    </dl>
  );
}

function Notes({ of }: { readonly of: RunTotals }) {
  return (
    <ul className="notes muted small">
      <li>
        {plural(of.cells, "cell")} (a day, key, model and meter) compared, prices of catalogue {of.catalog_version}; the
        vendor adds nothing any more to days before {of.settled_until}.
      </li>
      {of.notes.map((note) => (
        <li key={note}>{note}</li>
      ))}
    </ul>
  );
}

/** Fetched and handed over as a file, so that a refusal is a sentence here and not a page of its own. */
function Download({ run }: { readonly run: Run }) {
  const { csrf, signOut } = useSession();
  const [problem, setProblem] = useState<string | null>(null);
  const [isFetching, setFetching] = useState(false);

  async function download() {
    setFetching(true);
    setProblem(null);
    try {
      const response = await fetched(reportFile(run.number), csrf);
      handOver(await response.blob(), `reconciliation-${run.provider}-${run.month}-${run.number}.html`);
    } catch (cause) {
      if (cause instanceof ApiProblem && cause.kind === "unauthorized") signOut(cause.message);
      setProblem(cause instanceof ApiProblem ? cause.message : "The report broke off on its way: try again.");
    }
    setFetching(false);
  }

  return (
    <>
      <span role="alert" className="problem">
        {problem}
      </span>
      <button type="button" className="button button-small" disabled={isFetching} onClick={() => void download()}>
        {isFetching ? "Fetching…" : "Download the report (HTML)"}
      </button>
    </>
  );
}

function handOver(file: Blob, name: string) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}
