// One whole call: what each part cost, and every request and leg in the order in which they began.
import { callReport, type WholeCall } from "../api/call";
import { atController } from "../api/clock";
import { useReport } from "../api/report";
import { formatCount, plural } from "../lib/format";
import { formatDuration, formatInstant, type Zone } from "../lib/time";
import { Amount } from "../ui/amount";
import { Badge, Doubts } from "../ui/badge";
import "../ui/call.css";
import { Panel } from "../ui/panel";
import { Table, type Column } from "../ui/table";
import type { PageProps } from "./frame";
import { linkTo, useNamed } from "./page";
import { CallTimeline } from "./call_timeline";

export function Call({ zone, zonePicker }: PageProps) {
  const sessionId = useNamed();
  return (
    <main className="page call">
      <div className="toolbar">
        <a href={linkTo("overview")}>← Overview</a>
        {zonePicker}
      </div>
      {sessionId === "" ? (
        <div className="card state">
          <p className="state-title">No call was chosen</p>
          <p>Choose one of the latest sessions on the overview.</p>
        </div>
      ) : (
        <OneCall key={sessionId} sessionId={sessionId} zone={zone} />
      )}
    </main>
  );
}

function OneCall({ sessionId, zone }: { readonly sessionId: string; readonly zone: Zone }) {
  const call = useReport(callReport(sessionId));
  const now = atController(call.dataUpdatedAt);
  return (
    <>
      <Panel title="The call" what="the call" polled={call} zone={zone} isEmpty={() => false} empty={NEVER_EMPTY}>
        {(data) => <Summary of={data} zone={zone} now={now} />}
      </Panel>
      {call.data !== undefined && <CallTimeline polled={call} zone={zone} />}
    </>
  );
}

const NEVER_EMPTY = { title: "", hint: "" };

interface SummaryProps {
  readonly of: WholeCall;
  readonly zone: Zone;
  readonly now: number;
}

function Summary({ of, zone, now }: SummaryProps) {
  const end = of.is_live === true ? now : of.ended_at;
  const rows = of.open_legs.length === 0 ? of.parts : [...of.parts, SO_FAR];
  return (
    <>
      <div className="panel-line call-facts">
        <span className="mono break">{of.session_id}</span>
        {of.is_live === true && (
          <Badge tone="good" withDot>
            live
          </Badge>
        )}
        <span className="muted small">
          {[
            of.projects.join(", "),
            of.agent,
            of.room,
            of.started_at !== null && formatInstant(of.started_at, zone),
            of.started_at !== null && end !== null && formatDuration(end - of.started_at),
          ]
            .filter(Boolean)
            .join(" · ")}
        </span>
        <Doubts estimated={of.estimated_requests} unrated={of.unrated_requests} />
        {of.corrected_requests > 0 && (
          <Badge tone="neutral" title="Corrections are in the amounts.">
            {formatCount(of.corrected_requests)} corrected
          </Badge>
        )}
        {of.is_live === null && <Badge tone="warn">Redis is away: nobody knows whether it goes on</Badge>}
      </div>
      <Hints of={of} />
      <Table caption="What each part of the call cost" columns={columnsFor(of)} rows={rows} rowKey={(row) => row.part} />
    </>
  );
}

const SO_FAR = { part: "open legs", requests: 0, amount_usd: null };

function columnsFor(of: WholeCall): Column<WholeCall["parts"][number] | typeof SO_FAR>[] {
  const isOpen = of.open_legs.length > 0;
  return [
    { name: "Part", total: isOpen ? "So far" : "Total", cell: (row) => row.part },
    {
      name: "Requests",
      kind: "number",
      total: formatCount(of.requests),
      cell: (row) => (row.amount_usd === null ? formatCount(of.open_legs.length) : formatCount(row.requests)),
    },
    {
      name: "Cost",
      kind: "number",
      total: (
        <>
          {of.unrated_requests > 0 && <span className="muted small">at least </span>}
          <Amount of={isOpen ? of.so_far_usd : of.total_usd} />
        </>
      ),
      cell: (row) =>
        row.amount_usd === null ? (
          <span className="muted small" title="Not in the books yet; by today's prices.">
            in the timeline
          </span>
        ) : (
          <Amount of={row.amount_usd} />
        ),
    },
  ];
}

function Hints({ of }: { readonly of: WholeCall }) {
  const hints = [
    of.pending > 0 && `${plural(of.pending, "request")} arrived and ${of.pending === 1 ? "is" : "are"} not rated yet.`,
    of.left_out > 0 && `${plural(of.left_out, "request")} more ${of.left_out === 1 ? "is" : "are"} in the sums and not listed.`,
  ].filter((hint) => hint !== false);
  return hints.map((hint) => (
    <p key={hint} className="panel-line muted small">
      {hint}
    </p>
  ));
}
