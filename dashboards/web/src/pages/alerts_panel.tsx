// What somebody had to be told, the newest first, and whether it arrived.
import { alertsReport, type Alert, type Delivery } from "../api/alerts";
import { atController } from "../api/clock";
import { useReport } from "../api/report";
import { DAY_MS, formatClock, formatDay, formatInstant, type Zone } from "../lib/time";
import { Badge, type Tone } from "../ui/badge";
import { Panel } from "../ui/panel";
import { Table, type Column } from "../ui/table";

const SEVERITY_TONES: Readonly<Record<string, Tone>> = { critical: "bad", warning: "warn", info: "neutral" };
const STATE_TONES: Readonly<Record<string, Tone>> = { delivered: "good", pending: "neutral", dead: "bad" };
const STATE_WORDS: Readonly<Record<string, string>> = { delivered: "delivered", pending: "on its way", dead: "given up" };

export function AlertsPanel({ zone }: { readonly zone: Zone }) {
  const alerts = useReport(alertsReport);
  return (
    <Panel
      title="Alerts"
      note="newest first"
      what="the alerts"
      polled={alerts}
      zone={zone}
      isEmpty={(data) => data.alerts.length === 0}
      empty={{ title: "No alerts", hint: "Each threshold of a budget is told here once per window." }}
      isHalf
    >
      {(data) => (
        <Table
          caption="Alerts and their delivery"
          columns={columnsFor(atController(alerts.dataUpdatedAt), zone)}
          rows={data.alerts}
          rowKey={(row) => row.id}
        />
      )}
    </Panel>
  );
}

function columnsFor(now: number, zone: Zone): Column<Alert>[] {
  return [
    {
      name: "Alert",
      cell: (row) => (
        <div className="told">
          <Badge tone={SEVERITY_TONES[row.severity] ?? "neutral"}>{row.severity}</Badge>
          {row.title}
          <div className="muted small">
            <Raised at={row.raised_at} now={now} zone={zone} />
            {` · ${row.kind.replaceAll("_", " ")}`}
            {row.project && ` · ${row.project}`}
          </div>
          <div className="phone-only">
            <Deliveries of={row} />
          </div>
        </div>
      ),
    },
    { name: "Delivery", wideOnly: true, cell: (row) => <Deliveries of={row} /> },
  ];
}

interface RaisedProps {
  readonly at: number;
  readonly now: number;
  readonly zone: Zone;
}

function Raised({ at, now, zone }: RaisedProps) {
  return (
    <time dateTime={new Date(at).toISOString()} title={formatInstant(at, zone)}>
      {now - at < DAY_MS ? "" : `${formatDay(at, zone)}, `}
      {formatClock(at, zone, "second")}
    </time>
  );
}

function Deliveries({ of }: { readonly of: Alert }) {
  if (!of.is_routed) return <span className="muted">on its way</span>;
  if (of.deliveries.length === 0) {
    return (
      <span className="muted" title="Set a webhook, Slack or mail on the controller to be told.">
        no channel
      </span>
    );
  }
  return (
    <span className="badges">
      {of.deliveries.map((each) => (
        <Badge key={each.channel} tone={STATE_TONES[each.state] ?? "neutral"} title={detailOf(each)}>
          {each.channel}: {STATE_WORDS[each.state] ?? each.state}
        </Badge>
      ))}
    </span>
  );
}

function detailOf({ attempts, last_error }: Delivery): string {
  return [`Attempts: ${attempts}`, last_error].filter(Boolean).join("\n");
}
