// The record of changes: who changed what, and what it was before.
import { AUDIT_FILE, auditReport, type AuditRecord } from "../api/administration";
import { useReport } from "../api/report";
import { formatInstant, type Zone } from "../lib/time";
import { Panel } from "../ui/panel";
import { Table, type Column } from "../ui/table";

export function AuditPanel({ zone }: { readonly zone: Zone }) {
  const audit = useReport(auditReport);
  return (
    <Panel
      title="Audit log"
      note="the newest 50"
      what="the audit log"
      polled={audit}
      zone={zone}
      isEmpty={(data) => data.records.length === 0}
      empty={{ title: "Nothing was changed yet", hint: "Each change is recorded here with who made it." }}
      controls={
        <a className="button button-small" href={AUDIT_FILE} download>
          Download all (CSV)
        </a>
      }
    >
      {(data) => (
        <Table
          caption="Changes, the newest first"
          columns={columnsFor(zone)}
          rows={data.records}
          rowKey={(row) => String(row.number)}
        />
      )}
    </Panel>
  );
}

function columnsFor(zone: Zone): Column<AuditRecord>[] {
  return [
    {
      name: "Change",
      kind: "wrap",
      cell: (row) => (
        <>
          <div>
            {row.action} <span className="muted break">{row.resource}</span>
          </div>
          <div className="phone-only muted small">{formatInstant(row.at, zone)}</div>
          {row.reason !== "" && <div className="muted small">{row.reason}</div>}
          <Difference of={row} />
        </>
      ),
    },
    {
      name: "Who",
      kind: "wrap",
      cell: (row) => <span title={row.actor}>{row.actor_name ?? row.actor}</span>,
    },
    { name: "When", wideOnly: true, cell: (row) => formatInstant(row.at, zone) },
  ];
}

function Difference({ of }: { readonly of: AuditRecord }) {
  if (of.before === null && of.after === null) return null;
  return (
    <details>
      <summary className="small">Before and after</summary>
      <pre className="change">{`before ${written(of.before)}\nafter  ${written(of.after)}`}</pre>
    </details>
  );
}

function written(document: unknown): string {
  return document === null || document === undefined ? "nothing" : JSON.stringify(document, null, 1);
}
