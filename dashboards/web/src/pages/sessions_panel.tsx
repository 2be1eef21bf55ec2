// The last calls with their cost, the running ones on top.
import { lazy, Suspense, useState } from "react";
import { atController } from "../api/clock";
import { useReport } from "../api/report";
import { sessionKey, sessionsReport, withLive, type SessionRow } from "../api/sessions";
import type { Live } from "../api/live";
import { formatCount, shortId } from "../lib/format";
import { DAY_MS, formatClock, formatDay, formatDuration, formatInstant, type Zone } from "../lib/time";
import { AmountOf } from "../ui/amount";
import { Badge, Doubts } from "../ui/badge";
import { Panel } from "../ui/panel";
import { Table, type Column } from "../ui/table";
import { linkTo } from "./page";

// Most visitors end no call.
const EndCall = lazy(() => import("./end_call").then(({ EndCall }) => ({ default: EndCall })));

export interface SessionsPanelProps {
  /** Undefined while nobody knows what is running. */
  readonly live: Live | undefined;
  readonly zone: Zone;
}

export function SessionsPanel({ live, zone }: SessionsPanelProps) {
  const sessions = useReport(sessionsReport);
  const [asking, setAsking] = useState<SessionRow | null>(null);
  const [told, setTold] = useState<ReadonlyMap<string, number>>(new Map());
  const running = live?.sessions ?? [];
  const ending = live?.may_end === true ? { told, ask: setAsking } : null;
  return (
    <Panel
      title="Latest sessions"
      what="the sessions"
      polled={sessions}
      zone={zone}
      isEmpty={(data) => data.rows.length === 0 && running.length === 0}
      empty={{ title: "No sessions yet", hint: "Start a worker with VOICEGATEWAY_URL and VOICEGATEWAY_TOKEN set." }}
    >
      {(data) => (
        <>
          <Table
            caption="Latest sessions and their cost"
            columns={columnsFor(atController(sessions.dataUpdatedAt), zone, ending)}
            rows={withLive(data.rows, running)}
            rowKey={sessionKey}
          />
          {asking !== null && (
            <Suspense fallback={null}>
              <EndCall
                row={asking}
                onTold={() => {
                  setTold(new Map(told).set(asking.session_id, atController(Date.now())));
                  setAsking(null);
                }}
                onCancel={() => {
                  setAsking(null);
                }}
              />
            </Suspense>
          )}
        </>
      )}
    </Panel>
  );
}

// A worker that has not obeyed by then is overruled through LiveKit, where there is one; else it is to be told again.
const OBEYED_WITHIN_MS = 60_000;

/** Of those who may end calls: which they have ended when, and how to ask for another. */
interface Ending {
  readonly told: ReadonlyMap<string, number>;
  readonly ask: (row: SessionRow) => void;
}

function columnsFor(now: number, zone: Zone, ending: Ending | null): Column<SessionRow>[] {
  return [
    {
      name: "Session",
      cell: (row) => (
        <>
          <span className="badges">
            <a className="mono" title={row.session_id} href={linkTo("call", row.session_id)}>
              {shortId(row.session_id)}
            </a>
            {row.live && (
              <Badge tone="good" withDot>
                live
              </Badge>
            )}
          </span>
          <div className="phone-only small muted">
            {row.project} · <Started at={row.started_at} now={now} zone={zone} />
          </div>
          {ending !== null && (
            <div className="phone-only">
              <End row={row} ending={ending} now={now} />
            </div>
          )}
        </>
      ),
    },
    { name: "Project", wideOnly: true, cell: (row) => <Clipped text={row.project} /> },
    { name: "Agent", wideOnly: true, cell: (row) => <Clipped text={row.agent} /> },
    { name: "Room", wideOnly: true, cell: (row) => <Clipped text={row.room} /> },
    { name: "Started", wideOnly: true, cell: (row) => <Started at={row.started_at} now={now} zone={zone} /> },
    { name: "Length", kind: "number", wideOnly: true, cell: (row) => lengthOf(row, now) },
    { name: "Requests", kind: "number", wideOnly: true, cell: (row) => formatCount(row.requests) },
    {
      name: "Cost",
      kind: "number",
      cell: (row) => (
        <>
          <AmountOf sums={row} />
          <div className="phone-only">
            <Notes of={row} />
          </div>
        </>
      ),
    },
    { name: "Notes", quiet: true, wideOnly: true, cell: (row) => <Notes of={row} /> },
    ...(ending === null
      ? []
      : [{ name: "End", quiet: true, wideOnly: true, cell: (row: SessionRow) => <End row={row} ending={ending} now={now} /> }]),
  ];
}

interface EndProps {
  readonly row: SessionRow;
  readonly ending: Ending;
  readonly now: number;
}

function End({ row, ending, now }: EndProps) {
  if (!row.live) return null;
  const toldAt = ending.told.get(row.session_id);
  if (toldAt !== undefined && now - toldAt < OBEYED_WITHIN_MS) return <span className="muted">ending…</span>;
  return (
    <button
      type="button"
      className="button button-small"
      aria-label={`End call ${row.session_id}`}
      onClick={() => {
        ending.ask(row);
      }}
    >
      End call
    </button>
  );
}

function Notes({ of }: { readonly of: SessionRow }) {
  return <Doubts estimated={of.estimated_requests} unrated={of.unrated_requests} errors={of.errors} />;
}

function Clipped({ text }: { readonly text: string | null }) {
  if (text === null || text === "") return <span className="muted">–</span>;
  return (
    <span className="clip" title={text}>
      {text}
    </span>
  );
}

interface StartedProps {
  readonly at: number | null;
  readonly now: number;
  readonly zone: Zone;
}

function Started({ at, now, zone }: StartedProps) {
  if (at === null) return <span className="muted">–</span>;
  const clock = formatClock(at, zone, "second");
  return (
    <time dateTime={new Date(at).toISOString()} title={formatInstant(at, zone)}>
      {now - at < DAY_MS ? clock : `${formatDay(at, zone)}, ${clock}`}
    </time>
  );
}

function lengthOf(row: SessionRow, now: number): string {
  if (row.started_at === null) return "–";
  const end = row.live ? now : row.ended_at;
  return end === null ? "–" : formatDuration(end - row.started_at);
}
