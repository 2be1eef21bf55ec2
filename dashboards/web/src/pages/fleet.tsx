// The fleet's page: each worker and job process, what it runs, how full it is, and taking one out of service.
import { useState } from "react";
import { useReport } from "../api/report";
import { drain, workersReport, type Worker } from "../api/workers";
import { formatCount, formatPerMille, plural, shortId } from "../lib/format";
import { formatInstant, type Zone } from "../lib/time";
import { Badge } from "../ui/badge";
import { buttonColumn } from "../ui/button_column";
import { Confirm } from "../ui/confirm";
import { Panel } from "../ui/panel";
import { Table, type Column } from "../ui/table";
import type { PageProps } from "./frame";

export function Fleet({ zone, zonePicker }: PageProps) {
  const workers = useReport(workersReport);
  const [asking, setAsking] = useState<Worker | null>(null);
  return (
    <main className="page">
      <div className="toolbar">
        <span className="muted small">
          Processes that spoke to the controller within the last seconds. A drained worker takes no new job and finishes
          its calls.
        </span>
        {zonePicker}
      </div>
      <Panel
        title="Workers"
        note="workers first, then their job processes"
        what="the workers"
        polled={workers}
        zone={zone}
        isEmpty={(data) => data.workers.length === 0}
        empty={{
          title: "No worker is here",
          hint: "A worker appears with its first call, or at once when it was enrolled: gateway.enroll(server).",
        }}
      >
        {(data) => (
          <Table
            caption="Worker and job processes"
            columns={columnsFor(zone, data.may_drain ? setAsking : null)}
            rows={[...data.workers].sort(byKindAndName)}
            rowKey={(row) => row.id}
          />
        )}
      </Panel>
      {asking !== null && <Ask worker={asking} onClose={() => { setAsking(null); void workers.refetch(); }} />}
    </main>
  );
}

function Ask({ worker, onClose }: { readonly worker: Worker; readonly onClose: () => void }) {
  const isBack = worker.is_drain_ordered;
  return (
    <Confirm
      title={isBack ? "Back into service?" : "Drain this worker?"}
      words={isBack ? "Undrain" : "Drain"}
      keepWords="Leave it"
      order={drain(worker.id, !isBack)}
      onDone={onClose}
      onCancel={onClose}
    >
      {isBack
        ? "It takes new jobs again from its next message on."
        : `It reports to be full and takes no new job; ${plural(worker.active_jobs ?? 0, "job")} it has now go on to their end.`}
      <br />
      <span className="muted mono break">{worker.id}</span>
    </Confirm>
  );
}

function byKindAndName(left: Worker, right: Worker): number {
  const rank = (row: Worker) => (row.kind === "worker" ? 0 : 1);
  return rank(left) - rank(right) || left.host.localeCompare(right.host) || left.id.localeCompare(right.id);
}

function columnsFor(zone: Zone, onAsk: ((row: Worker) => void) | null): Column<Worker>[] {
  const nameOf = (row: Worker) => `${row.host} ${row.pid}`;
  return [
    {
      name: "Process",
      kind: "wrap",
      cell: (row) => (
        <>
          <div title={row.id}>
            {row.host} <span className="muted">{row.pid}</span>
          </div>
          <div className="muted small">{[row.kind, row.agent, shortId(row.id)].filter(Boolean).join(" · ")}</div>
        </>
      ),
    },
    { name: "State", kind: "wrap", cell: (row) => <State of={row} /> },
    {
      name: "Load",
      kind: "number",
      wideOnly: true,
      cell: (row) => (row.load_permille === null ? "–" : formatPerMille(row.load_permille)),
    },
    { name: "Calls", kind: "number", cell: (row) => formatCount(row.active_jobs ?? row.sessions) },
    {
      name: "Version",
      kind: "wrap",
      wideOnly: true,
      cell: (row) => (
        <>
          <div>{row.shim_version}</div>
          {row.agents_version !== "" && <div className="muted small">livekit-agents {row.agents_version}</div>}
        </>
      ),
    },
    { name: "Heard", wideOnly: true, cell: (row) => (row.seen_at === null ? "–" : formatInstant(row.seen_at, zone)) },
    ...(onAsk === null
      ? []
      : [
          buttonColumn<Worker>({
            words: "Drain",
            nameOf,
            onClick: onAsk,
            isOffered: (row) => row.kind === "worker" && !row.is_drain_ordered,
          }),
          buttonColumn<Worker>({
            words: "Undrain",
            nameOf,
            onClick: onAsk,
            isOffered: (row) => row.kind === "worker" && row.is_drain_ordered,
          }),
        ]),
  ];
}

function State({ of }: { readonly of: Worker }) {
  return (
    <span className="badges">
      {of.is_drained || of.is_drain_ordered ? (
        <Badge tone="warn" title={of.is_drained ? "It takes no new job." : "It has not heard of it yet."}>
          {of.is_drained ? "drained" : "draining"}
        </Badge>
      ) : (
        <Badge tone="good">in service</Badge>
      )}
      {!of.is_up_to_date && (
        <Badge tone="warn" title={`It does not know yet: ${of.behind.join(", ")}`}>
          behind
        </Badge>
      )}
    </span>
  );
}
