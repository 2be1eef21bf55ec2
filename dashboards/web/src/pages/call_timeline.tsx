// Every request and leg of a call with what it used and cost, the first on top.
import type { CallItem, OpenLeg, WholeCall } from "../api/call";
import { notesOf, offsetOf, quantityOf } from "../lib/call_words";
import { formatDuration, formatInstant, type Zone } from "../lib/time";
import { Amount } from "../ui/amount";
import { Badge, ESTIMATED_MEANS, UNRATED_MEANS } from "../ui/badge";
import { Panel } from "../ui/panel";
import type { Polled } from "../ui/state";
import { Table, type Column } from "../ui/table";

export interface CallTimelineProps {
  readonly polled: Polled<WholeCall>;
  readonly zone: Zone;
}

type Row = CallItem | OpenLeg;

export function CallTimeline({ polled, zone }: CallTimelineProps) {
  return (
    <Panel
      title="Timeline"
      note="requests and legs, from the call's beginning"
      what="the timeline"
      polled={polled}
      zone={zone}
      isEmpty={(data) => data.items.length + data.open_legs.length === 0}
      empty={{ title: "Nothing of this call is in the books yet", hint: "Its requests appear a second after they end." }}
    >
      {(data) => (
        <Table
          caption="Requests and legs of the call"
          columns={columnsFor(data, zone)}
          rows={[...data.items, ...data.open_legs]}
          rowKey={(row) => (isItem(row) ? row.request_id : `${row.part} ${row.provider} ${String(row.started_at)}`)}
        />
      )}
    </Panel>
  );
}

function isItem(row: Row): row is CallItem {
  return "request_id" in row;
}

function columnsFor(call: WholeCall, zone: Zone): Column<Row>[] {
  return [
    {
      name: "At",
      cell: (row) => {
        const at = row.started_at ?? row.ended_at;
        return (
          <span className="mono" title={at === null ? undefined : formatInstant(at, zone)}>
            {offsetOf(at, call.started_at) || "–"}
          </span>
        );
      },
    },
    {
      name: "What",
      kind: "wrap",
      cell: (row) => (
        <>
          <div>
            {row.part} <span className="break">{row.model}</span>
          </div>
          <div className="muted small">
            {row.provider}
            {isItem(row) && call.projects.length > 1 && ` · ${row.project}`}
          </div>
          <div className="phone-only">
            <Used of={row} />
            <Notes of={row} />
          </div>
        </>
      ),
    },
    { name: "Used", kind: "wrap", wideOnly: true, cell: (row) => <Used of={row} /> },
    {
      name: "Cost",
      kind: "number",
      cell: (row) =>
        row.is_unrated && row.amount_usd === 0n ? <span className="muted">no price</span> : <Amount of={row.amount_usd} />,
    },
    { name: "Notes", quiet: true, wideOnly: true, cell: (row) => <Notes of={row} /> },
  ];
}

function Used({ of }: { readonly of: Row }) {
  return <span className="small">{isItem(of) ? quantityOf(of.lines) : formatDuration(of.duration_ms)}</span>;
}

function Notes({ of }: { readonly of: Row }) {
  if (!isItem(of)) return <Badge tone="good">{of.ended_at === null ? "so far" : "not in the books yet"}</Badge>;
  return (
    <span className="badges">
      {of.outcome !== "ok" && of.outcome !== "" && <Badge tone="neutral">{of.outcome}</Badge>}
      {of.is_unrated && (
        <Badge tone="bad" title={UNRATED_MEANS}>
          unrated
        </Badge>
      )}
      {of.is_estimated && (
        <Badge tone="warn" title={ESTIMATED_MEANS}>
          estimated
        </Badge>
      )}
      {of.is_corrected && (
        <Badge tone="neutral" title={correctionsOf(of)}>
          corrected
        </Badge>
      )}
      {notesOf(of).map((note) => (
        <Badge key={note} tone="neutral">
          {note.replaceAll("_", " ")}
        </Badge>
      ))}
    </span>
  );
}

function correctionsOf({ lines }: CallItem): string {
  const kinds = new Set(lines.filter(({ kind }) => kind !== "usage").map(({ kind }) => kind));
  return `The amount holds: ${[...kinds].join(", ")}`;
}
